// What is said of a name that there is not: the nearest one where it is misspelt, and nothing more of any other.

package enum Suggestion {
    /// The sentence for an unknown flag.
    static func unknownOption(_ flag: String) -> String {
        // What a uwsgi.ini cannot have, a command line cannot either.
        if flag.hasPrefix("--"), case .not(let reason) = UWSGISettings.rule(String(flag.dropFirst(2))) {
            return "unknown option '\(flag)': \(reason)"
        }
        guard let near = nearest(to: flag, among: Array(Setting.byFlag.keys) + CommandLine.questions) else {
            return "unknown option '\(flag)'"
        }
        return "unknown option '\(flag)'; did you mean '\(near)'?"
    }

    /// The sentence for a name in a file that is no setting.
    package static func unknownSetting(_ name: String) -> String {
        if Hook.all.contains(where: { $0.name == name }) {
            return "'\(name)' is a hook, a function of a configuration file in Python"
        }
        if let setting = Setting.byFlag["--" + name.dashed]?.setting {
            return "no setting '\(name)': it is called '\(setting.name)'"
        }
        switch ForeignFlag.all["--" + name.dashed]?.meaning {
        case .same(let known, _): return "no setting '\(name)': it is called '\(known)'"
        case .instead(let advice): return "no setting '\(name)': \(advice)"
        default: break
        }
        guard let near = nearest(to: name, among: Setting.all.map(\.name)) else { return "no setting '\(name)'" }
        return "no setting '\(name)'; did you mean '\(near)'?"
    }

    /// The name with the fewest edits, of those with at most two and at most one for each three letters.
    package static func nearest(to name: String, among known: [String]) -> String? {
        let word = letters(name)
        return known.sorted()
            .map { (name: $0, edits: edits(word, letters($0))) }
            .filter { $0.edits <= min(2, word.count / 3) }
            .min { $0.edits < $1.edits }?.name
    }

    private static func letters(_ name: String) -> [UInt8] { Array(name.utf8.drop { $0 == UInt8(ascii: "-") }) }

    /// How many letters are inserted, left out, replaced, or swapped with their neighbour.
    private static func edits(_ one: [UInt8], _ other: [UInt8]) -> Int {
        var table = [[Int]](repeating: [Int](repeating: 0, count: other.count + 1), count: one.count + 1)
        for row in 0...one.count {
            for column in 0...other.count {
                guard row > 0, column > 0 else {
                    table[row][column] = row + column
                    continue
                }
                let replaced = one[row - 1] == other[column - 1] ? 0 : 1
                table[row][column] = min(
                    table[row - 1][column] + 1, table[row][column - 1] + 1, table[row - 1][column - 1] + replaced)
                if row > 1, column > 1, one[row - 1] == other[column - 2], one[row - 2] == other[column - 1] {
                    table[row][column] = min(table[row][column], table[row - 2][column - 2] + 1)
                }
            }
        }
        return table[one.count][other.count]
    }
}

extension String {
    /// With dashes in place of underscores.
    package var dashed: String { String(map { $0 == "_" ? "-" : $0 }) }

    /// With underscores in place of dashes.
    package var underscored: String { String(map { $0 == "-" ? "_" : $0 }) }
}

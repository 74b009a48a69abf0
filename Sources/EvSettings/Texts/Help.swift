// `--help`: all that is served, a line each; a group or a search word gives all that is known of a few.

package enum Help {
    /// - Parameters:
    ///   - topic: a group's name, a word to search for, `all`, or empty.
    ///   - program: the name by which the program is called.
    package static func text(topic: String, program: String = "evgateway") -> String {
        let word = topic.lowercased()
        if word.isEmpty { return overview(program) }
        if word == "all" {
            return Setting.Group.allCases.map { long($0.rawValue, rows(of: $0)) }.joined(separator: "\n")
        }
        if let group = Setting.Group(rawValue: word) ?? group(titled: word) {
            return long(group.title, rows(of: group))
        }
        let found = Setting.all.filter { matches($0, word) }
        guard !found.isEmpty else {
            return "Nothing is known of '\(topic)'. Groups: \(groups). All: \(program) --help all\n"
        }
        return long("Settings about '\(topic)'", found)
    }

    private static func group(titled word: String) -> Setting.Group? {
        Setting.Group.allCases.first { $0.title.lowercased().split(separator: " ").contains(Substring(word)) }
    }

    private static func matches(_ setting: Setting, _ word: String) -> Bool {
        ([setting.name, setting.help, setting.details] + setting.flags + setting.offFlags).contains {
            $0.lowercased().contains(substring: word) || $0.dashed.lowercased().contains(substring: word.dashed)
        }
    }

    private static var groups: String { Setting.Group.allCases.map(\.rawValue).joined(separator: ", ") }

    private static func rows(of group: Setting.Group) -> [Setting] { Setting.all.filter { $0.group == group } }

    // MARK: short

    private static func overview(_ program: String) -> String {
        var text = """
            Serves Python WSGI and ASGI apps and native Swift apps, many connections per process.

            Usage: \(program) [OPTIONS] APP [-- APP ARGS]
                   \(program) COMMAND [OPTIONS]

            APP is MODULE, MODULE:ATTRIBUTE, MODULE:FACTORY('x'), PATH.py[:ATTRIBUTE], or the path or name of a Swift
            app. Settings also come from the environment (EVGATEWAY_<NAME>), from a file (--config) and from
            GUNICORN_CMD_ARGS and EVGATEWAY_CMD_ARGS; the command line wins.

            """
        for group in Setting.Group.allCases where group != .gunicorn {
            text += "\n\(group.title):\n"
            for setting in rows(of: group) where !setting.flags.isEmpty { text += short(setting) }
        }
        text += commands(program)
        text += """

            Help:
              -h, --help                  This page.
              --help GROUP                All about a group: \(groups).
              --help WORD                 All about the settings that have to do with a word; --help all.
              -v, --version               The version.
              --generate name             A completion script for bash, zsh or fish, a man page, or markdown.

            """
        return text
    }

    private static let column = 30

    private static func short(_ setting: Setting) -> String {
        let usage = "  " + usage(setting)
        let standard = setting.standard.map { setting.kind.shape == .toggle ? " [on]" : " [\(abbreviated($0))]" } ?? ""
        let lines = wrapped(setting.help + standard, width: 119 - column)
        let indent = String(repeating: " ", count: column)
        var text =
            usage.utf8.count < column - 1
            ? usage + String(repeating: " ", count: column - usage.utf8.count) : "\(usage)\n\(indent)"
        text += lines.joined(separator: "\n" + indent)
        return text + "\n"
    }

    private static func abbreviated(_ text: String) -> String {
        text.utf8.count <= 24
            ? text : text == GatewayConfiguration().accessLogFormat ? "combined" : "\(text.prefix(20))..."
    }

    /// `-w, --workers int`; a long option with many names is shown by the first two.
    static func usage(_ setting: Setting) -> String {
        if let flag = setting.flags.first, setting.offFlags == ["--no-" + flag.dropFirst(2)] {
            return "--[no-]\(flag.dropFirst(2))"
        }
        let names = (setting.flags + setting.offFlags).prefix(2).joined(separator: ", ")
        return setting.placeholder.isEmpty ? names : "\(names) \(setting.placeholder)"
    }

    // MARK: long

    private static func long(_ title: String, _ settings: [Setting]) -> String {
        "\(title)\n\n" + settings.map(long).joined(separator: "\n")
    }

    private static func long(_ setting: Setting) -> String {
        let flags = setting.flags + setting.offFlags
        var text = "  " + (flags.isEmpty ? setting.name : flags.joined(separator: ", "))
        if !setting.placeholder.isEmpty { text += " \(setting.placeholder)" }
        text += "\n"
        for line in wrapped("\(setting.help) \(setting.details)", width: 100) { text += "      \(line)\n" }
        text += "      In files: \(setting.name)."
        if setting.isServed {
            text +=
                " In the environment: \((setting.variables.map(\.name) + [setting.variable]).joined(separator: ", "))."
            if !setting.kind.words.isEmpty { text += " One of: \(setting.kind.words.joined(separator: ", "))." }
            if !setting.kind.range.isEmpty { text += " Range: \(setting.kind.range)." }
            if let standard = setting.standard { text += " Default: \(standard)." }
        }
        return text + "\n"
    }

    static func wrapped(_ text: String, width: Int) -> [String] {
        var lines: [String] = []
        for word in text.split(separator: " ") {
            if let last = lines.last, last.utf8.count + 1 + word.utf8.count <= width {
                lines[lines.count - 1] = "\(last) \(word)"
            } else {
                lines.append(String(word))
            }
        }
        return lines
    }
}

extension String {
    func contains(substring: String) -> Bool {
        let (text, part) = (Array(utf8), Array(substring.utf8))
        guard !part.isEmpty, text.count >= part.count else { return part.isEmpty }
        return (0...(text.count - part.count)).contains { text[$0...].starts(with: part) }
    }
}

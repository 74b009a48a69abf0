// The words of a command line, read as argparse reads gunicorn's: options before and after APP, `-w4`, `--opt=value`,
// unambiguous beginnings of long options. Values are not checked here.

/// A setting and the value that a source gives it.
package struct Assignment: Equatable, Sendable {
    /// The name of the setting.
    package let name: String
    package var value: SettingValue
    /// How an error names it: the flag that was typed, or `gunicorn.conf.py:3: workers`.
    package let label: String

    package init(_ name: String, _ value: SettingValue, label: String) {
        self.name = name
        self.value = value
        self.label = label
    }
}

package struct CommandLine: Equatable, Sendable {
    /// What asks for a text in place of a server.
    package enum Question: Equatable, Sendable {
        /// A group, a word to search for, or empty.
        case help(String)
        case version
        /// `bash`, `zsh`, `fish`, `man` or `markdown`.
        case generate(String)
    }

    /// In the order of the line; a list is gathered into one.
    package private(set) var assignments: [Assignment] = []
    package private(set) var question: Question?
    /// APP.
    package private(set) var application: String?
    /// The index of APP among the words.
    package private(set) var applicationIndex: Int?
    /// What follows `--`.
    package private(set) var applicationArguments: [String] = []

    /// `--protocol` is among the words.
    private var namesProtocol = false

    /// - Parameter words: without the name of the program.
    package init(_ words: [String]) throws(ConfigurationError) {
        namesProtocol = words.contains { $0 == "--protocol" || $0.hasPrefix("--protocol=") }
        var index = 0
        func next(_ flag: String, dashes: Bool) throws(ConfigurationError) -> String {
            index += 1
            // `--help` where a value should be is rather a forgotten value; `-1` is an error about -1.
            guard index < words.count, dashes || words[index] == "-" || !words[index].hasPrefix("-") else {
                throw ConfigurationError(flag, reason: "the value is missing")
            }
            return words[index]
        }
        while index < words.count, question == nil {
            let word = words[index]
            if word == "--" {
                applicationArguments = Array(words[(index + 1)...])
                break
            } else if word.hasPrefix("--") {
                if let alone = Self.alone(word, before: index + 1 < words.count ? words[index + 1] : nil) {
                    add(alone.setting, .text(alone.value), alone.flag)
                } else {
                    try readLong(word) { flag, dashes throws(ConfigurationError) in try next(flag, dashes: dashes) }
                }
            } else if word.hasPrefix("-"), word != "-" {
                try readShort(word) { flag, dashes throws(ConfigurationError) in try next(flag, dashes: dashes) }
            } else {
                let previous = index > 0 ? words[index - 1] : nil
                if let complaint = OtherServers.complaint(app: word, after: previous) {
                    throw ConfigurationError(reason: complaint)
                }
                try readApplication(word, at: index)
            }
            index += 1
        }
        if case .help("") = question, index < words.count, !words[index].hasPrefix("-") {
            question = .help(words[index])
        }
    }

    private typealias Next = (_ flag: String, _ dashes: Bool) throws(ConfigurationError) -> String

    private mutating func readApplication(_ word: String, at index: Int) throws(ConfigurationError) {
        if application == "start-server" {
            // mod_wsgi-express has it before its APP.
            throw ConfigurationError(reason: "leave 'start-server' out: APP is '\(word)'")
        }
        if let application {
            throw ConfigurationError(reason: "unexpected argument '\(word)': APP is '\(application)' already")
        }
        application = word
        applicationIndex = index
    }

    private mutating func readLong(_ word: String, _ next: Next) throws(ConfigurationError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        let value = parts.count > 1 ? String(parts[1]) : nil
        let flag = try Self.completed(String(parts[0]))
        switch flag {
        case "--help":
            question = .help(value ?? "")
            return
        case "--version":
            question = .version
            return
        case "--generate":
            question = .generate(try value.or { () throws(ConfigurationError) in try next(flag, false) })
            return
        default: break
        }
        if let row = Setting.byFlag[flag] {
            if let given = row.value {
                if let value {
                    throw ConfigurationError(flag, reason: "takes no value, and '\(value)' is given")
                }
                add(row.setting, given, flag)
            } else {
                let text = try value.or { () throws(ConfigurationError) in
                    try next(flag, row.setting.kind.takesDashes)
                }
                add(row.setting, .text(text), flag)
            }
        } else if let foreign = ForeignFlag.all[flag] {
            let text =
                try foreign.takesValue
                ? value.or { () throws(ConfigurationError) in try next(flag, true) } : ""
            try read(foreign, flag, text)
        } else {
            throw ConfigurationError(reason: Suggestion.unknownOption(flag))
        }
    }

    /// A flag that stands without its value, as argparse allows it with `nargs="?"`.
    private static func alone(
        _ word: String, before next: String?
    ) -> (setting: Setting, value: String, flag: String)? {
        guard let flag = try? completed(word), let row = Setting.byFlag[flag], row.value == nil,
            let alone = row.setting.kind.alone
        else { return nil }
        if let next, (row.setting.kind.words + alone.otherWords).contains(next.lowercased()) { return nil }
        return (row.setting, alone.value, flag)
    }

    /// `-w 4`, `-w4`, `-Rw4`.
    private mutating func readShort(_ word: String, _ next: Next) throws(ConfigurationError) {
        var rest = word.dropFirst()
        while let letter = rest.popFirst(), question == nil {
            let flag = "-\(letter)"
            if flag == "-h" {
                question = .help("")
            } else if flag == "-v" {
                question = .version
            } else if let row = Setting.byFlag[flag] {
                if let given = row.value {
                    add(row.setting, given, flag)
                    continue
                }
                if rest.first == "=" { rest.removeFirst() }
                let value = rest.isEmpty ? try next(flag, row.setting.kind.takesDashes) : String(rest)
                rest = ""
                if let complaint = OtherServers.complaint(flag, value) {
                    throw ConfigurationError(flag, reason: complaint)
                }
                add(row.setting, .text(value), row.setting.label)
            } else if let foreign = ForeignFlag.all[flag] {
                let value = foreign.takesValue ? (rest.isEmpty ? try next(flag, true) : String(rest)) : ""
                rest = foreign.takesValue ? "" : rest
                try read(foreign, flag, value)
            } else {
                throw ConfigurationError(reason: Suggestion.unknownOption(flag))
            }
        }
    }

    private mutating func read(_ foreign: ForeignFlag, _ flag: String, _ text: String) throws(ConfigurationError) {
        switch foreign.meaning {
        case .nothing: return
        case .socket(let spoken):
            // As uWSGI has it, --protocol is about these.
            let scheme = spoken.map { "\($0)://" } ?? (namesProtocol ? "" : "uwsgi://")
            if let bind = Setting.named("bind") { add(bind, .text(scheme + ForeignFlag.address(text)), flag) }
        case .mount:
            guard let (prefix, app) = UWSGIApp.mount(text) else {
                throw ConfigurationError(flag, reason: "'\(text)' is not of the form /PREFIX=APP")
            }
            guard !assignments.contains(where: { $0.name == "wsgi_app" }) else {
                throw ConfigurationError(flag, reason: "one app is served: start one evgateway for each")
            }
            for (name, value) in [("wsgi_app", UWSGIApp.reference(app)), ("root_path", prefix)] where !value.isEmpty {
                if let setting = Setting.named(name) { add(setting, .text(value), flag) }
            }
        case .instead(let advice): throw ConfigurationError(reason: "unknown option '\(flag)': \(advice)")
        case .sameWith(let name, let other, let value):
            if let setting = Setting.named(other) { add(setting, .text(value), flag) }
            if let setting = Setting.named(name) { add(setting, .text(text), flag) }
        case .toggle(let name, let value):
            if let setting = Setting.named(name) { add(setting, value, flag) }
        case .same(let name, let transform):
            do throws(ValueError) {
                let value = try transform(text)
                if let setting = Setting.named(name), !value.isEmpty || text.isEmpty {
                    add(setting, .text(value), flag)
                }
            } catch {
                throw ConfigurationError(flag, reason: error.reason)
            }
        }
    }

    private mutating func add(_ setting: Setting, _ value: SettingValue, _ flag: String) {
        if setting.kind.shape == .list, let index = assignments.firstIndex(where: { $0.name == setting.name }) {
            guard case .list(let values) = assignments[index].value else { return }
            assignments[index].value = .list(values + [value])
        } else {
            let value = setting.kind.shape == .list ? .list([value]) : value
            assignments.append(Assignment(setting.name, value, label: flag))
        }
    }

    /// The flag itself, or the one that it begins.
    private static func completed(_ flag: String) throws(ConfigurationError) -> String {
        if questions.contains(flag) || Setting.byFlag[flag] != nil || ForeignFlag.all[flag] != nil { return flag }
        guard flag.utf8.count > 4 else { return flag }
        let candidates = (Array(Setting.byFlag.keys) + questions).filter { $0.hasPrefix(flag) }.sorted()
        let names = Set(candidates.map { Setting.byFlag[$0]?.setting.name ?? $0 })
        guard names.count > 1 else { return candidates.first ?? flag }
        throw ConfigurationError(
            reason: "option '\(flag)' is not whole: it may be \(ValueReader.alternatives(candidates))")
    }

    static let questions = ["--help", "--version", "--generate"]
}

extension Optional {
    /// As `??`, with an error of one type.
    fileprivate func or<Failure: Error>(_ other: () throws(Failure) -> Wrapped) throws(Failure) -> Wrapped {
        if let self { return self }
        return try other()
    }
}

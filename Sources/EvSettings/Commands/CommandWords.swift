// The words behind a command. Values are read here as far as they need nothing but the text.

package struct CommandWords: Equatable, Sendable {
    package let command: ServerCommand
    package private(set) var asksForHelp = false
    /// By flag; an option without a value has an empty one.
    private var given: [String: String] = [:]
    /// The word that is no option.
    private var argument: String?

    /// - Parameter words: the command line without the name of the program.
    /// - Returns: nil if its first word is no command.
    package init?(_ words: [String]) throws(ConfigurationError) {
        guard let first = words.first, let command = ServerCommand(rawValue: first) else { return nil }
        self.command = command
        var index = 1
        while index < words.count {
            let word = words[index]
            index += 1
            if word == "-h" || word == "--help" {
                asksForHelp = true
                return
            }
            if word.hasPrefix("-") {
                try readOption(word, words, &index)
            } else if command.argument != nil, argument == nil {
                argument = word
            } else {
                throw ConfigurationError(reason: "\(command.rawValue): unexpected argument '\(word)'\(hint)")
            }
        }
        try check()
    }

    private mutating func readOption(_ word: String, _ words: [String], _ index: inout Int) throws(ConfigurationError) {
        let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        var flag = String(parts[0])
        if let long = ["-c": "--config", "-p": "--pid"][flag] { flag = long }
        guard let option = command.options.first(where: { $0.flag == flag }) else { throw unknown(flag) }
        var value = parts.count > 1 ? String(parts[1]) : nil
        if option.value == nil {
            if let value { throw error(flag, "takes no value, and '\(value)' is given") }
        } else if value == nil, index < words.count, !words[index].hasPrefix("-") {
            value = words[index]
            index += 1
        }
        if option.value != nil, value ?? "" == "" { throw error(flag, "the value is missing") }
        given[flag] = value ?? ""
    }

    private func check() throws(ConfigurationError) {
        if has("--json"), has("--watch") { throw error("--watch", "not together with --json") }
        if let text = given["--worker"], Self.number(text, 0...1_000_000) == nil {
            throw error("--worker", "'\(text)' is not the number of a worker")
        }
        guard let name = command.argument else { return }
        guard let argument else { throw ConfigurationError(reason: "\(command.rawValue): \(name) is missing") }
        if Self.number(argument, 1...1024) == nil {
            throw ConfigurationError(reason: "\(command.rawValue): '\(argument)' is not a number of 1 to 1024")
        }
    }

    private static func number(_ text: String, _ range: ClosedRange<Int>) -> Int? {
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(text), range.contains(number)
        else {
            return nil
        }
        return number
    }

    // MARK: values

    package func has(_ flag: String) -> Bool { given[flag] != nil }
    package func value(_ flag: String) -> String? { given[flag] }
    package var worker: Int? { given["--worker"].flatMap { Int($0) } }
    package var count: Int? { argument.flatMap { Int($0) } }

    // MARK: errors

    private func error(_ flag: String, _ reason: String) -> ConfigurationError {
        ConfigurationError("\(command.rawValue) \(flag)", reason: reason)
    }

    private func unknown(_ flag: String) -> ConfigurationError {
        let reason = "\(command.rawValue): unknown option '\(flag)'"
        if let near = Suggestion.nearest(to: flag, among: command.options.map(\.flag)) {
            return ConfigurationError(reason: "\(reason); did you mean '\(near)'?")
        }
        return ConfigurationError(reason: reason + (Setting.byFlag[flag] == nil ? "" : hint))
    }

    /// For who means an app and not the command.
    private var hint: String { "; an app with this name is written \(command.rawValue):app" }
}

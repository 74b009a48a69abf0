// Turns the text of an option into a value within its range. Otherwise the error, one line, names the option, the text
// and what is allowed.

/// An option, an environment variable or the command line as a whole that cannot be used.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// `--workers` or `WEB_CONCURRENCY`; nil if the error concerns no single one.
    package let option: String?
    package let reason: String

    package init(_ option: String? = nil, reason: String) {
        self.option = option
        self.reason = reason
    }

    package var description: String { option.map { "\($0): \(reason)" } ?? reason }
}

/// Where the value of an environment variable comes from: `getenv`, or a table in tests.
package typealias EnvironmentLookup = (_ name: String) -> String?

enum OptionValue {
    /// A whole number, in decimal.
    static func wholeNumber(
        _ option: String, _ text: String, in range: ClosedRange<Int>
    ) throws(ConfigurationError) -> Int {
        let digits = text.allSatisfy { $0.isASCII && $0.isNumber }
        if digits, let value = Int(text), range.contains(value) { return value }
        if range.upperBound == .max || !digits || text.isEmpty || Int(text).map({ $0 < range.lowerBound }) == true {
            throw ConfigurationError(
                option, reason: "'\(text)' is not a whole number of \(range.lowerBound) or more")
        }
        throw ConfigurationError(option, reason: "'\(text)' is more than \(range.upperBound)")
    }

    /// Seconds, with decimals, up to a year.
    static func seconds(_ option: String, _ text: String) throws(ConfigurationError) -> Double {
        let plain = text.allSatisfy { $0.isASCII && $0.isNumber || $0 == "." }
        guard plain, let value = Double(text), value.isFinite else {
            throw ConfigurationError(option, reason: "'\(text)' is not a number of seconds of 0 or more")
        }
        guard value <= 31_536_000 else {
            throw ConfigurationError(option, reason: "'\(text)' is more than 31536000 seconds")
        }
        return value
    }

    /// One of a few words.
    static func choice<Choice: CaseIterable & RawRepresentable<String>>(
        _ option: String, _ text: String
    ) throws(ConfigurationError) -> Choice {
        if let choice = Choice(rawValue: text) { return choice }
        let all = Choice.allCases.map(\.rawValue)
        throw ConfigurationError(
            option,
            reason: "'\(text)' is unknown: choose \(all.dropLast().joined(separator: ", ")) or \(all.last ?? "")")
    }

    /// A path or word that must not be empty.
    static func nonEmpty(_ option: String, _ text: String?) throws(ConfigurationError) -> String? {
        guard let text else { return nil }
        guard !text.isEmpty else { throw ConfigurationError(option, reason: "the value is empty") }
        return text
    }
}

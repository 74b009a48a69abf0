// How the value of a setting is read and shown: the types that rows are made of.

import EvLoop

/// Why a value cannot be used: the end of a sentence that begins with the name of the setting.
package struct ValueError: Error, Equatable {
    package let reason: String

    package init(_ reason: String) { self.reason = reason }
}

package struct Kind: Sendable {
    package enum Shape: Sendable { case value, toggle, list }

    package enum Completion: Sendable { case nothing, file, folder }

    /// What the flag of a value means without one. The word behind it is the value only if it is one of those known.
    package struct Alone: Sendable {
        let value: String
        /// Beside the words to choose from.
        let otherWords: [String]
    }

    package let shape: Shape
    /// The words to choose from; empty if others are possible.
    package let words: [String]
    package let completion: Completion
    /// Nil where a value has to follow.
    package let alone: Alone?
    /// For the documentation: `1 to 1024`.
    package let range: String
    /// Words that begin with a dash can be the value on a command line: `--workers -1` is an error about -1.
    package let takesDashes: Bool
    package let set: Set
    /// Gives the property its initial value.
    package let reset: @Sendable (inout GatewayConfiguration) -> Void
    package let show: @Sendable (GatewayConfiguration) -> SettingValue

    package typealias Set = @Sendable (inout GatewayConfiguration, SettingValue) throws(ValueError) -> Void
    package typealias Path<Value> = any WritableKeyPath<GatewayConfiguration, Value> & Sendable

    init(
        _ shape: Shape, words: [String] = [], completion: Completion = .nothing, range: String = "",
        alone: Alone? = nil, takesDashes: Bool = false,
        reset: @escaping @Sendable (inout GatewayConfiguration) -> Void = { _ in },
        show: @escaping @Sendable (GatewayConfiguration) -> SettingValue, set: @escaping Set
    ) {
        self.shape = shape
        self.words = words
        self.completion = completion
        self.alone = alone
        self.range = range
        self.takesDashes = takesDashes
        self.reset = reset
        self.set = set
        self.show = show
    }

    private static func initial<Value>(_ path: Path<Value>) -> @Sendable (inout GatewayConfiguration) -> Void {
        { $0[keyPath: path] = GatewayConfiguration()[keyPath: path] }
    }

    // MARK: numbers

    static func wholeNumber(_ path: Path<Int>, _ range: ClosedRange<Int>) -> Kind {
        Kind(
            .value, range: text(of: range), takesDashes: true, reset: initial(path),
            show: { .integer($0[keyPath: path]) }
        ) {
            configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.wholeNumber(value, in: range)
        }
    }

    static func wholeNumber(_ path: Path<Int?>, _ range: ClosedRange<Int>) -> Kind {
        Kind(
            .value, range: text(of: range), takesDashes: true, reset: initial(path),
            show: { $0[keyPath: path].map { .integer($0) } ?? .none }
        ) { configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.wholeNumber(value, in: range)
        }
    }

    /// Seconds, with decimals, up to a year.
    static func seconds(_ path: Path<Double>) -> Kind {
        Kind(
            .value, range: "0 or more", takesDashes: true, reset: initial(path),
            show: { .number($0[keyPath: path]) }
        ) {
            configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.seconds(value)
        }
    }

    /// A size, also with K, M or G for powers of 1024.
    static func bytes(_ path: Path<Int>) -> Kind {
        Kind(
            .value, range: "0 or more", takesDashes: true, reset: initial(path),
            show: { .integer($0[keyPath: path]) }
        ) { configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.bytes(value)
        }
    }

    /// A file mode: octal with a leading zero, as gunicorn reads it.
    ///
    /// - Parameter isOctal: digits are octal without one, too, as with chmod(1).
    static func mode(_ path: Path<Int?>, isOctal: Bool = false) -> Kind {
        Kind(
            .value, range: "octal, 0 to 0777", takesDashes: true, reset: initial(path),
            show: { $0[keyPath: path].map { .text("0o" + String($0, radix: 8)) } ?? .none }
        ) { configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.mode(value, isOctal: isOctal)
        }
    }

    private static func text(of range: ClosedRange<Int>) -> String {
        range.upperBound == .max ? "\(range.lowerBound) or more" : "\(range.lowerBound) to \(range.upperBound)"
    }

    // MARK: words

    static func toggle(_ path: Path<Bool>) -> Kind {
        Kind(.toggle, reset: initial(path), show: { .boolean($0[keyPath: path]) }) {
            configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.boolean(value)
        }
    }

    /// A toggle whose flag may be followed by `true` or `false`.
    static func toggleWithWord(_ path: Path<Bool>) -> Kind {
        Kind(
            .toggle,
            alone: Alone(
                value: "true", otherWords: ["true", "false", "yes", "no", "on", "off", "1", "0", "y", "n"]),
            reset: initial(path), show: { .boolean($0[keyPath: path]) }
        ) { configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.boolean(value)
        }
    }

    static func choice<Choice: CaseIterable & RawRepresentable<String> & Sendable>(
        _ path: Path<Choice>, also names: [String: Choice] = [:], alone: Alone? = nil
    ) -> Kind {
        let words = Choice.allCases.map(\.rawValue)
        return Kind(
            .value, words: words, alone: alone, reset: initial(path), show: { .text($0[keyPath: path].rawValue) }
        ) { configuration, value throws(ValueError) in
            let text = try ValueReader.text(value)
            guard let choice = Choice(rawValue: text.lowercased()) ?? names[text.lowercased()] else {
                throw ValueError("'\(text)' is unknown: choose \(ValueReader.alternatives(words))")
            }
            configuration[keyPath: path] = choice
        }
    }

    /// A text that must not be empty.
    static func text(_ path: Path<String>, _ completion: Completion = .nothing) -> Kind {
        Kind(.value, completion: completion, reset: initial(path), show: { .text($0[keyPath: path]) }) {
            configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.nonEmpty(value)
        }
    }

    static func text(
        _ path: Path<String?>, _ completion: Completion = .nothing,
        check: @escaping @Sendable (String) throws(ValueError) -> Void = { _ in }
    ) -> Kind {
        Kind(
            .value, completion: completion, reset: initial(path), show: { $0[keyPath: path].map { .text($0) } ?? .none }
        ) {
            configuration, value throws(ValueError) in
            let text = try ValueReader.nonEmpty(value)
            try check(text)
            configuration[keyPath: path] = text
        }
    }

    static func texts(
        _ path: Path<[String]>, _ completion: Completion = .nothing,
        check: @escaping @Sendable (String) throws(ValueError) -> Void = { _ in }
    ) -> Kind {
        Kind(.list, completion: completion, reset: initial(path), show: { .list($0[keyPath: path].map { .text($0) }) })
        {
            configuration, value throws(ValueError) in
            let texts = try ValueReader.texts(value)
            for text in texts { try check(text) }
            configuration[keyPath: path] = texts
        }
    }

    /// Folders in one text, separated by commas.
    static func path(_ path: Path<[String]>) -> Kind {
        Kind(.value, completion: .folder, reset: initial(path), show: { .list($0[keyPath: path].map { .text($0) }) }) {
            configuration, value throws(ValueError) in
            configuration[keyPath: path] = try ValueReader.texts(value).flatMap {
                $0.split(separator: ",").map(String.init)
            }
        }
    }

    static func addresses(_ path: Path<[BindAddress]>) -> Kind {
        Kind(.list, reset: initial(path), show: { .list($0[keyPath: path].map { .text($0.text) }) }) {
            configuration, value throws(ValueError) in
            var addresses: [BindAddress] = []
            for text in try ValueReader.texts(value) {
                // gunicorn takes several in one text.
                for part in text.split(separator: ",", omittingEmptySubsequences: false) {
                    do throws(BindAddressError) {
                        addresses.append(try BindAddress(parsing: String(part.trimming(" "))))
                    } catch {
                        throw ValueError("\(error)")
                    }
                }
            }
            // None at all is a value where none is the default.
            guard !addresses.isEmpty || GatewayConfiguration()[keyPath: path].isEmpty else {
                throw ValueError("the value is empty")
            }
            configuration[keyPath: path] = addresses
        }
    }

    // MARK: without a property

    /// A setting that changes nothing.
    ///
    /// - Parameter harmless: the values, as plain text and in lower case, that say what is the case anyway. The empty
    ///   ones are always among them, and `false` unless `true` is.
    static func none(_ shape: Shape = .value, harmless: [String] = []) -> Kind {
        Kind(shape, show: { _ in .none }) { _, value throws(ValueError) in
            let text = value.plainText.lowercased()
            if text.isEmpty || harmless.contains(text) || text == "false" && !harmless.contains("true") { return }
            throw ValueError("")
        }
    }
}

extension Substring {
    func trimming(_ character: Character) -> Substring {
        var text = self
        while text.first == character { text.removeFirst() }
        while text.last == character { text.removeLast() }
        return text
    }
}

// Metrics as text, family by family. Law: what it writes both parsers take; a family has its name, type, unit and help
// once, and its samples stand together.

import EvLoop

package struct MetricsText {
    package enum Kind: String { case counter, gauge, histogram, info }

    package enum Value {
        case count(UInt64)
        /// Shown in seconds.
        case nanoseconds(UInt64)
        case number(Double)
    }

    package typealias Labels = KeyValuePairs<StaticString, String>

    package let form: MetricsForm
    package private(set) var bytes: [UInt8] = []
    /// Of the family, without what its samples have behind it.
    private var name: StaticString = ""
    private var suffix: StaticString = ""

    package init(_ form: MetricsForm) { self.form = form }

    /// Begins a family, whose samples follow.
    ///
    /// - Parameters:
    ///   - name: without `_total` and `_info`. Where it ends with a unit, that is the unit.
    ///   - help: without backslashes, quotes and line ends.
    package mutating func family(_ name: StaticString, _ kind: Kind, _ help: StaticString) {
        self.name = name
        suffix = kind == .counter ? "_total" : kind == .info ? "_info" : ""
        // Prometheus' own form names the family as its samples, and has no type for information.
        let title = form == .openMetrics ? "" : suffix
        let type = form == .prometheus && kind == .info ? .gauge : kind
        put("# HELP ", name, title, " ", help, "\n# TYPE ", name, title)
        put(" \(type.rawValue)\n")
        guard form == .openMetrics, let unit = Self.unit(of: name) else { return }
        put("# UNIT ", name, " ", unit, "\n")
    }

    package mutating func sample(_ value: Value) { sample([:], value) }

    package mutating func sample(_ labels: Labels, _ value: Value) {
        put(name, suffix)
        put(labels)
        put(" ")
        put(value)
        put("\n")
    }

    /// A family that has one sample.
    package mutating func family(_ name: StaticString, _ kind: Kind, _ help: StaticString, _ value: Value) {
        family(name, kind, help)
        sample(value)
    }

    /// The samples of a histogram.
    ///
    /// - Parameter numbers: as `SharedHistogram` says.
    package mutating func histogram(_ numbers: ArraySlice<UInt64>, _ labels: Labels = [:]) {
        let bounds = SharedHistogram.bounds
        guard numbers.count == SharedHistogram.count else { return }
        var count: UInt64 = 0
        for (index, number) in numbers.dropLast().enumerated() {
            count &+= number
            put(name, "_bucket")
            put(labels, bound: index < bounds.count ? "\(bounds[index])" : "+Inf")
            put(" \(count)\n")
        }
        put(name, "_count")
        put(labels)
        put(" \(count)\n")
        put(name, "_sum")
        put(labels)
        put(" ")
        put(.nanoseconds(numbers.last ?? 0))
        put("\n")
    }

    /// Nothing follows.
    package mutating func end() { if form == .openMetrics { put("# EOF\n") } }

    // MARK: parts

    private static func unit(of name: StaticString) -> StaticString? {
        let text = "\(name)"
        return text.hasSuffix("_seconds") ? "seconds" : text.hasSuffix("_bytes") ? "bytes" : nil
    }

    private mutating func put(_ texts: StaticString...) {
        for text in texts { text.withUTF8Buffer { bytes.append(contentsOf: $0) } }
    }

    private mutating func put(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func put(_ labels: Labels, bound: String? = nil) {
        guard !labels.isEmpty || bound != nil else { return }
        var separator: StaticString = "{"
        for (name, value) in labels {
            put(separator, name, "=\"")
            for byte in value.utf8 {
                switch byte {
                case UInt8(ascii: "\\"): put("\\\\")
                case UInt8(ascii: "\""): put("\\\"")
                case UInt8(ascii: "\n"): put("\\n")
                default: bytes.append(byte)
                }
            }
            put("\"")
            separator = ","
        }
        if let bound {
            put(separator, "le=\"")
            put(bound)
            put("\"")
        }
        put("}")
    }

    private mutating func put(_ value: Value) {
        switch value {
        case .count(let number): put("\(number)")
        case .number(let number): put("\(number)")
        case .nanoseconds(let number):
            put("\(number / 1_000_000_000).")
            put(String(number % 1_000_000_000 + 1_000_000_000).dropFirst().description)
        }
    }
}

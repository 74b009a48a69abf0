// Which requests have a line in the access log. Law: a rule is text of the operator's, compiled once; matching takes
// time in proportion to the path, whatever the client sends.

/// Why a rule of `--access-log-skip` cannot be used.
package struct AccessLogRuleError: Error, Equatable, CustomStringConvertible {
    package let description: String
}

package struct AccessLogFilter: Equatable, Sendable {
    /// A request that fits one of them has no line.
    let rules: [Rule]
    /// Requests that took less have no line, unless the server failed; 0 for none.
    let slowerThan: Double

    package static let everything = AccessLogFilter(rules: [], slowerThan: 0)

    private init(rules: [Rule], slowerThan: Double) {
        self.rules = rules
        self.slowerThan = slowerThan
    }

    /// - Parameters:
    ///   - skipping: rules, each of conditions separated by spaces, all of which a request has to meet: a path that
    ///     begins with `/` or `*`, in which `*` stands for any bytes; a status, as `404`, `2xx` or `status=2xx`;
    ///     `method=HEAD`. One text may hold several, separated by commas.
    ///   - slowerThan: seconds.
    package init(skipping: [String], slowerThan: Double) throws(AccessLogRuleError) {
        var rules: [Rule] = []
        for text in skipping {
            for part in text.split(separator: ",") {
                let rule = try Rule(parsing: part)
                if !rule.isEmpty { rules.append(rule) }
            }
        }
        self.init(rules: rules, slowerThan: slowerThan)
    }

    var isEmpty: Bool { rules.isEmpty && slowerThan == 0 }

    /// Returns true if the request is to be logged. A status of 500 or more is, however fast it was.
    func takes(_ record: AccessLogRecord) -> Bool {
        if slowerThan > 0, record.duration < slowerThan, record.status < 500 { return false }
        return !rules.contains { $0.fits(record) }
    }

    struct Rule: Equatable, Sendable {
        private var path: [UInt8]?
        private var method: [UInt8]?
        private var status: ClosedRange<Int>?

        var isEmpty: Bool { path == nil && method == nil && status == nil }

        init(parsing text: Substring) throws(AccessLogRuleError) {
            for word in text.split(whereSeparator: { $0 == " " || $0 == "\t" }) {
                if word.hasPrefix("/") || word.hasPrefix("*") {
                    path = Array(word.utf8)
                } else if word.hasPrefix("method=") {
                    method = Array(word.dropFirst(7).utf8)
                } else if let range = Self.statuses(word.hasPrefix("status=") ? word.dropFirst(7) : word) {
                    status = range
                } else {
                    throw AccessLogRuleError(
                        description: "'\(word)' is neither a path as /healthz or /static/*, nor status=2xx, "
                            + "nor method=NAME")
                }
            }
        }

        private static func statuses(_ text: Substring) -> ClosedRange<Int>? {
            guard text.count == 3, let first = text.first?.wholeNumberValue, 1...9 ~= first else { return nil }
            if text.dropFirst().lowercased() == "xx" { return first * 100...first * 100 + 99 }
            return Int(text).map { $0...$0 }
        }

        func fits(_ record: AccessLogRecord) -> Bool {
            if let status, !status.contains(record.status) { return false }
            if let method, !method.elementsEqual(record.method) { return false }
            if let path { return Self.matches(path, record.path) }
            return true
        }

        /// Whether a path fits a pattern, in which `*` stands for any bytes. After a `*`, only its nearest successor is
        /// ever tried again.
        static func matches(_ pattern: [UInt8], _ path: UnsafeRawBufferPointer) -> Bool {
            var (at, from) = (0, 0)
            var star: (at: Int, from: Int)?
            while from < path.count {
                if at < pattern.count, pattern[at] == UInt8(ascii: "*") {
                    star = (at, from)
                    at += 1
                } else if at < pattern.count, pattern[at] == path[from] {
                    at += 1
                    from += 1
                } else if let last = star {
                    star = (last.at, last.from + 1)
                    at = last.at + 1
                    from = last.from + 1
                } else {
                    return false
                }
            }
            return pattern[at...].allSatisfy { $0 == UInt8(ascii: "*") }
        }
    }
}

// What is reported when settings cannot be used.

/// A setting, an environment variable, a file or the command line as a whole that cannot be used.
package struct ConfigurationError: Error, Equatable, CustomStringConvertible {
    /// `--workers`, `WEB_CONCURRENCY` or `gunicorn.conf.py:3: workers`; nil if the error concerns no single one.
    package let option: String?
    /// One line, without a full stop.
    package let reason: String
    /// Further lines, usually a traceback; empty if there are none.
    package let details: String

    package init(_ option: String? = nil, reason: String, details: String = "") {
        self.option = option
        self.reason = reason
        self.details = details
    }

    package var description: String { option.map { "\($0): \(reason)" } ?? reason }
}

/// Where the value of an environment variable comes from: `getenv`, or a table in tests.
package typealias EnvironmentLookup = (_ name: String) -> String?

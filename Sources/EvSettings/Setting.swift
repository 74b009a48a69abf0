// One row of the table of settings: everything that the parser, the help, the files, the manual page and the
// completions know about a setting.

package struct Setting: Sendable {
    /// The name in files and, in upper case after `EVGATEWAY_`, in the environment. gunicorn's where it has one.
    package let name: String
    /// `-w`, `--workers`; none for a setting that stands in files only.
    package let flags: [String]
    /// Flags that give a switch the other value: `--no-server-header`.
    package let offFlags: [String]
    package let group: Group
    package let kind: Kind
    /// What stands for the value in the help: `int`.
    package let placeholder: String
    /// Variables beside `EVGATEWAY_<NAME>` that give the value, in the form of `Variable`.
    package let variables: [Variable]
    package let verdict: Verdict
    /// The value is not printed.
    package let isSecret: Bool
    /// One or two sentences.
    package let help: String
    /// More, for the long help and the documentation.
    package let details: String

    /// Groups in the order of the help.
    package enum Group: String, CaseIterable, Sendable {
        case binding, tls, workers, times, sizes, proxies, health, holding, publishing, tracing, webSocket, http2
        case application, python, logging, process, development, gunicorn

        package var title: String {
            switch self {
            case .binding: "Binding"
            case .tls: "TLS"
            case .workers: "Workers"
            case .times: "Time limits"
            case .sizes: "Size limits"
            case .proxies: "Behind proxies"
            case .health: "Health and administration"
            case .holding: "Held requests"
            case .publishing: "Publishing to held requests"
            case .tracing: "Tracing"
            case .webSocket: "WebSocket"
            case .http2: "HTTP/2"
            case .application: "Application"
            case .python: "Python"
            case .logging: "Logging"
            case .process: "Process"
            case .development: "Development"
            case .gunicorn: "Of gunicorn, without effect or refused"
            }
        }
    }

    package enum Verdict: Equatable, Sendable {
        case served
        /// It does nothing here; the reason is a sentence that follows the name.
        case accepted(String)
        /// The server does not start with it; says what to do instead.
        case refused(String)
    }

    /// An environment variable that others use, too.
    package struct Variable: Sendable {
        package let name: String
        /// The text of the setting for the text of the variable.
        package let text: @Sendable (String) throws(ValueError) -> String

        package init(_ name: String, _ text: @escaping @Sendable (String) throws(ValueError) -> String = { $0 }) {
            self.name = name
            self.text = text
        }
    }

    /// - Parameters:
    ///   - flags: separated by spaces; those that begin with `--no-` of a switch that is on by default are told apart
    ///     by `off`.
    package init(
        _ name: String, _ flags: String, off: String = "", _ group: Group, _ kind: Kind, value: String = "",
        variables: [Variable] = [], verdict: Verdict = .served, secret: Bool = false, _ help: String,
        details: String = ""
    ) {
        self.name = name
        self.flags = flags.split(separator: " ").map(String.init)
        offFlags = off.split(separator: " ").map(String.init)
        self.group = group
        self.kind = kind
        placeholder = value
        self.variables = variables
        self.verdict = verdict
        isSecret = secret
        self.help = help
        self.details = details
    }

    /// The name in messages: the long flag where there is one.
    package var label: String { (flags + offFlags).first { $0.hasPrefix("--") } ?? name }

    package var isServed: Bool { verdict == .served }

    package var variable: String { "EVGATEWAY_" + name.uppercased() }

    /// The default, as text for the help; nil where there is none.
    package var standard: String? {
        switch kind.show(GatewayConfiguration()) {
        case .none, .boolean(false), .text(""), .list([]), .table([]): nil
        case let value: value.plainText
        }
    }
}

extension SettingValue {
    /// As it is typed on a command line.
    package var plainText: String {
        switch self {
        case .none: ""
        case .text(let text): text
        case .integer(let value): String(value)
        case .number(let value): value == value.rounded() && abs(value) < 1e15 ? String(Int(value)) : String(value)
        case .boolean(let value): value ? "true" : "false"
        case .list(let values): values.map(\.plainText).joined(separator: ",")
        case .table(let entries): entries.map { "\($0.name)=\($0.value.plainText)" }.joined(separator: ", ")
        }
    }
}

// The words that ask or tell a running server something, when one of them is the first of the command line. A row per
// command and per option: the parser, the help, the completions and the manual page read them.

package enum ServerCommand: String, CaseIterable, Sendable {
    case status, connections, stack, reload, stop, scale, upgrade
    case reopenLogs = "reopen-logs"

    package var help: String {
        switch self {
        case .status: "How the server is: its workers, its longest requests, its last restarts."
        case .connections: "Every connection: whose it is, what it does, since when."
        case .stack: "What the code of each request is doing now, also of a worker that is stuck."
        case .reload: "Replaces the workers one by one, with the configuration and the code as they are now."
        case .stop: "Ends the server when its requests are answered."
        case .scale: "Sets the number of workers."
        case .upgrade: "Starts a new master on the same sockets, and ends the old one."
        case .reopenLogs: "Opens the log files anew, after they were renamed."
        }
    }

    /// What stands for the word that must follow; nil for none.
    package var argument: String? { self == .scale ? "N" : nil }

    package struct Option: Equatable, Sendable {
        package let flag: String
        /// What stands for the value; nil for an option that takes none.
        package let value: String?
        package let help: String
        package let completesFiles: Bool

        init(_ flag: String, value: String? = nil, files: Bool = false, _ help: String) {
            self.flag = flag
            self.value = value
            self.help = help
            completesFiles = files
        }
    }

    /// Those of this command alone.
    package var ownOptions: [Option] {
        switch self {
        case .status:
            [
                Option("--json", "Prints what the server answers, in JSON."),
                Option("--watch", "Shows it live: on the whole terminal, or as a line per worker and second."),
            ]
        case .connections, .stack:
            [
                Option("--worker", value: "N", "Only of this worker, by its number in status."),
                Option("--json", "Prints what the server answers, in JSON."),
            ]
        case .stop: [Option("--now", "At once, without waiting for requests.")]
        default: []
        }
    }

    package var options: [Option] { ownOptions + Self.common }

    /// How the server is found.
    package static let common = [
        Option("--admin-bind", value: "address", "Where the server answers: unix:PATH or HOST:PORT."),
        Option("--pid", value: "file", files: true, "The server with this master: a process id, or a file with it."),
        Option("--config", value: "file", files: true, "The server's configuration file, if it is not in Python."),
        Option("--admin-token", value: "text", "The server's --admin-token; better in EVGATEWAY_ADMIN_TOKEN."),
    ]

    /// `evgateway scale N [OPTIONS]`.
    package var usage: String {
        let own = ownOptions.map { "[\($0.flag)\($0.value.map { " \($0)" } ?? "")]" }
        return ([rawValue] + [argument].compactMap { $0 } + own).joined(separator: " ")
    }
}

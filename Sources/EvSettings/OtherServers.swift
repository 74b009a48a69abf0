// Words of a command line that uWSGI, daphne and mod_wsgi-express take in another meaning than gunicorn does, found by
// a value that gunicorn's option cannot have. Each is an error that says what to type; nothing is translated silently.

enum OtherServers {
    /// Returns what to write in place of a letter and its value; nil if the value may be gunicorn's.
    static func complaint(_ flag: String, _ value: String) -> String? {
        switch flag {
        case "-w" where isName(value):
            return "'\(value)' is no number of workers: uWSGI's -w is APP here, so write \(value) alone"
        case "-m" where isName(value):
            return "'\(value)' is no mode: uWSGI's -m, a report of memory, is left out here"
        case "-u" where value.contains("/"):
            return "'\(value)' is no user: for daphne's -u, write --bind unix:\(value)"
        case "-e" where endpoints.contains(where: value.hasPrefix):
            return "'\(value)' is no variable: for daphne's -e, \(bind)"
        default: return nil
        }
    }

    /// As `complaint(_:_:)`, for a word that would be APP.
    static func complaint(app word: String, after previous: String?) -> String? {
        if previous == "-R", !word.isEmpty, word.allSatisfy(\.isNumber) {
            return "-R: for uWSGI's -R, write --max-requests \(word)"
        }
        guard !word.contains(":"), let dot = word.lastIndex(of: ".") else { return nil }
        switch word[dot...] {
        case ".ini":
            return "'\(word)' is no app: write --ini \(word) for a file of uWSGI's, --paste \(word) for PasteDeploy's"
        case ".toml": return "'\(word)' is no app: write --config \(word)"
        case ".xml", ".yaml", ".yml", ".json": return "'\(word)' is no app: \(iniAlone)"
        default: return nil
        }
    }

    static let bind = "write --bind HOST:PORT, unix:PATH or fd://NUMBER"
    static let iniAlone = "of uWSGI's files, those that end with .ini are read: write --ini FILE"

    /// The kinds of address in a description as Twisted reads it.
    private static let endpoints = ["tcp:", "tcp4:", "tcp6:", "ssl:", "unix:", "fd:", "systemd:"]

    /// The beginning of a module's name or of a path, which no number and no mode has.
    private static func isName(_ value: String) -> Bool {
        value.first.map { $0.isLetter || "_./".contains($0) } ?? false
    }
}

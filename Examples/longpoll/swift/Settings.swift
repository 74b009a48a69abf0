// The settings from the command line after `--` and from the environment.
import EvGateway
import FoundationEssentials

struct SettingsError: Error, CustomStringConvertible {
    let description: String
}

struct Settings: Sendable {
    /// The longest wait of a client.
    var hold = Duration.seconds(25)
    /// The file that keeps the messages; without one, they are in the memory of the worker.
    var file: String?
    var page: String

    /// - Parameter arguments: `--page PATH` or nothing; the page of this example is the default.
    init(arguments: [String], environment: [String: String]) throws {
        switch (arguments.first, arguments.count) {
        case (nil, _): page = environment["CHAT_PAGE"] ?? Self.pageOfThisExample
        case ("--page", 2): page = arguments[1]
        default: throw SettingsError(description: "usage: example-longpoll [OPTION...] -- [--page PATH]")
        }
        if let text = environment["CHAT_HOLD"] {
            guard let seconds = Double(text), (0...86_400).contains(seconds) else {
                throw SettingsError(description: "CHAT_HOLD is a number of seconds, not \(text)")
            }
            hold = .seconds(seconds)
        }
        if let path = environment["CHAT_FILE"], !path.isEmpty { file = path }
    }

    private static var pageOfThisExample: String {
        let folder = #filePath.split(separator: "/", omittingEmptySubsequences: false).dropLast(2)
        return folder.joined(separator: "/") + "/page/index.html"
    }
}

/// The web page; it is read once in each worker, so a reload brings a new one.
func readPage(_ path: String) throws -> [UInt8] {
    guard let page = FileManager.default.contents(atPath: path) else {
        throw SettingsError(description: "cannot read the page \(path)")
    }
    return Array(page)
}

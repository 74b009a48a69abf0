// Which server a command is meant for: named on its command line, else in the settings that apply here, else the one
// that runs. Law: nothing of Python runs, and what is not certain is told and not guessed.

import EvAdmin
import EvLoop
import EvSettings
import Glibc

struct ServerFinder {
    private let words: CommandWords
    private let folder: String
    private let configuration: GatewayConfiguration?
    /// A file that only the server itself can read.
    private let unreadFile: String?
    private let servers: RunningServers
    let token: String?

    init(_ words: CommandWords, folder: String, environment: @escaping EnvironmentLookup) throws(ConfigurationError) {
        self.words = words
        self.folder = folder
        servers = RunningServers()
        var settings: Settings?
        do throws(ConfigurationError) {
            let arguments = words.value("--config").map { ["--config=\($0)"] } ?? []
            let reader = try SettingsReader(arguments: arguments, startFolder: folder, environment: environment)
            settings = try reader.read(looksForUsual: true, python: nil)
        } catch {
            // Who names the server needs no settings.
            guard words.has("--admin-bind") || words.has("--pid"), !words.has("--config") else { throw error }
        }
        configuration = settings?.configuration
        unreadFile = settings?.hasPendingPythonFile == true ? settings?.fileRead : nil
        token =
            words.value("--admin-token") ?? settings?.configuration.adminToken ?? environment("EVGATEWAY_ADMIN_TOKEN")
        if let token, !AdminClient.isToken(token) {
            throw ConfigurationError("--admin-token", reason: "has a character that no field of a request can have")
        }
    }

    /// The address to ask; of several, the first that can be asked.
    func find() throws(ClientError) -> ClientAddress {
        if let text = words.value("--admin-bind") { return try address(named: text) }
        if let text = words.value("--pid") { return try first(of: server(named: text, "--pid").addresses) }
        for address in configuration?.adminBinds ?? [] {
            if let usable = try? ClientAddress(absolute(address)) { return usable }
        }
        if let file = configuration?.pidFile, FilePath.isFile(FilePath.absolute(file, in: folder)) {
            return try first(of: server(named: FilePath.absolute(file, in: folder), "pidfile").addresses)
        }
        return try first(of: theOnlyOne().addresses)
    }

    private func address(named text: String) throws(ClientError) -> ClientAddress {
        let address: BindAddress
        do throws(BindAddressError) {
            address = try BindAddress(parsing: text)
        } catch {
            throw ClientError(.failed, "--admin-bind: '\(Printable.text(text))': \(Printable.text(error.reason))")
        }
        return try ClientAddress(absolute(address))
    }

    private func absolute(_ address: BindAddress) -> BindAddress {
        guard case .unix(let path) = address else { return address }
        let start = words.has("--admin-bind") ? nil : configuration?.changeDirectory
        return .unix(path: FilePath.absolute(path, in: start.map { FilePath.absolute($0, in: folder) } ?? folder))
    }

    private func first(of addresses: [BindAddress]) throws(ClientError) -> ClientAddress {
        // A socket file is open to its owner without a token.
        let sorted = addresses.filter(\.isLocal) + addresses.filter { !$0.isLocal }
        var failure = ClientError(.unreachable, "the server has no address that can be asked from here")
        for address in sorted {
            do throws(ClientError) { return try ClientAddress(address) } catch { failure = error }
        }
        throw failure
    }

    // MARK: processes

    private func server(named text: String, _ label: String) throws(ClientError) -> RunningServer {
        let shown = Printable.text(text)
        let pid: Int32
        if let number = Int32(text), number > 0 {
            pid = number
        } else if let number = Self.number(in: FilePath.absolute(text, in: folder)) {
            pid = number
        } else {
            throw ClientError(.unreachable, "\(label): '\(shown)' is neither a process id nor a file with one")
        }
        if let server = servers.server(of: pid) { return server }
        guard servers.exists(pid) else {
            throw ClientError(.unreachable, "\(label): there is no process \(pid): the server of '\(shown)' has ended")
        }
        guard servers.isMaster(pid) else {
            throw ClientError(.unreachable, "\(label): process \(pid) is not the master of a server")
        }
        throw ClientError(.unreachable, "the server with master \(pid) \(Self.advice)")
    }

    private static func number(in path: String) -> Int32? {
        guard FilePath.isFile(path), let text = try? TextFile.read(path, name: path) else { return nil }
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        return Int32(digits).flatMap { $0 > 0 ? $0 : nil }
    }

    private static let advice = "runs without --admin-bind: start it with --admin-bind unix:PATH to ask it"

    private func theOnlyOne() throws(ClientError) -> RunningServer {
        let found = servers.all(of: geteuid())
        if let server = found.first, found.count == 1 { return server }
        guard found.isEmpty else {
            var text = "several servers run: choose one with --pid\n"
            text += found.map { server in
                let addresses = server.addresses.map { Printable.text($0.text) }.joined(separator: ", ")
                return "  --pid \(server.master)  \(server.application)  at \(addresses)"
            }.joined(separator: "\n")
            throw ClientError(.unreachable, text)
        }
        let mute = servers.mute(of: geteuid())
        if let pid = mute.first {
            let which = mute.count == 1 ? "the server with master \(pid)" : "each of the \(mute.count) servers here"
            throw ClientError(.unreachable, "\(which) \(Self.advice)")
        }
        var text = "no server of this user runs here with --admin-bind: name one with --admin-bind or --pid"
        if let unreadFile { text += "; \(unreadFile) is in Python, which only the server reads" }
        throw ClientError(.unreachable, text)
    }
}

extension BindAddress {
    fileprivate var isLocal: Bool {
        switch self {
        case .unix, .abstract: true
        default: false
        }
    }
}

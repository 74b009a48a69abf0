// Where Redis is: `redis://[[user]:password@]host[:port][/db]` or `unix:///path/to.sock`.
import EvGateway
import FoundationEssentials

struct RedisURL: Equatable, Sendable {
    let address: LoopStream.Address
    var user: String?
    var password: String?
    var database = 0

    init(_ text: String) throws {
        if text.hasPrefix("unix:///") {
            address = .unix(path: String(text.dropFirst("unix://".count)))
            return
        }
        guard text.hasPrefix("redis://"), let url = URLComponents(string: text),
            var host = url.host, !host.isEmpty, url.query == nil, url.fragment == nil,
            let port = UInt16(exactly: url.port ?? 6379)
        else { throw Self.invalid }
        if host.hasPrefix("["), host.hasSuffix("]") { host = String(host.dropFirst().dropLast()) }
        address = .tcp(host: host, port: port)
        user = url.user.flatMap { $0.isEmpty ? nil : $0 }
        password = url.password
        let name = url.path.dropFirst()
        if !name.isEmpty {
            guard let number = Message.id(name.utf8) else { throw Self.invalid }
            database = number
        }
    }

    /// The message does not contain the URL, because that may contain a password.
    private static var invalid: SettingsError {
        SettingsError(description: "REDIS_URL is redis://[:password@]host:port[/db] or unix:///path/to.sock")
    }
}

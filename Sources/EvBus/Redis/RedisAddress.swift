// Where Redis is, as `--bus` says it: `redis://[[user]:password@]host[:port][/db][?prefix]`, `rediss://` for TLS, and
// `unix:path[?prefix]`. Parts may be percent-encoded, so that a password may hold any character.

package import EvLoop

package struct RedisAddress: Equatable, Sendable {
    package struct Malformed: Error, Equatable {
        /// Without the text itself, which may hold a password.
        package let reason: String
    }

    package var stream: LoopStream.Address
    /// The name that a certificate must have; nil without TLS.
    package var tlsHost: String?
    package var user: String?
    package var password: String?
    package var database = 0
    /// What comes before the names of channels in Redis; servers with the same one hear each other.
    package var prefix = "evgateway:"

    package init(_ text: String) throws(Malformed) {
        var rest = text[...]
        if let mark = rest.firstIndex(of: "?") {
            let given = try Self.decoded(rest[rest.index(after: mark)...])
            guard !given.isEmpty, given.utf8.count <= 100 else { throw Malformed(reason: "has no prefix behind '?'") }
            prefix = given
            rest = rest[..<mark]
        }
        if rest.hasPrefix("unix:") {
            var path = try Self.decoded(rest.dropFirst(5))
            if path.hasPrefix("//") { path = String(path.dropFirst(2)) }
            guard path.hasPrefix("/"), path.utf8.count <= 107 else {
                throw Malformed(reason: "is unix: with the absolute path of a socket")
            }
            stream = .unix(path: path)
            return
        }
        let isEncrypted = rest.hasPrefix("rediss://")
        guard isEncrypted || rest.hasPrefix("redis://") else {
            throw Malformed(reason: "begins with none of redis://, rediss:// and unix:")
        }
        rest = rest.dropFirst(isEncrypted ? 9 : 8)
        if let slash = rest.lastIndex(of: "/") {
            let name = rest[rest.index(after: slash)...]
            if !name.isEmpty {
                guard name.utf8.count <= 5, name.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let number = Int(name) else {
                    throw Malformed(reason: "has no number of a database behind '/'")
                }
                database = number
            }
            rest = rest[..<slash]
        }
        if let at = rest.lastIndex(of: "@") {
            let login = rest[..<at]
            guard let colon = login.firstIndex(of: ":") else {
                throw Malformed(reason: "has no ':' between user and password")
            }
            let name = try Self.decoded(login[..<colon])
            user = name.isEmpty ? nil : name
            password = try Self.decoded(login[login.index(after: colon)...])
            rest = rest[rest.index(after: at)...]
        }
        let (host, port) = try Self.hostAndPort(rest)
        stream = .tcp(host: host, port: port)
        tlsHost = isEncrypted ? host : nil
    }

    private static func hostAndPort(_ text: Substring) throws(Malformed) -> (String, UInt16) {
        var (host, digits) = (text, Substring("6379"))
        if text.hasPrefix("[") {
            guard let end = text.firstIndex(of: "]") else { throw Malformed(reason: "has no ']' behind '['") }
            host = text[text.index(after: text.startIndex)..<end]
            let behind = text[text.index(after: end)...]
            if !behind.isEmpty {
                guard behind.hasPrefix(":") else { throw Malformed(reason: "has no port behind ']'") }
                digits = behind.dropFirst()
            }
        } else if let colon = text.lastIndex(of: ":") {
            (host, digits) = (text[..<colon], text[text.index(after: colon)...])
        }
        guard !host.isEmpty, !host.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7f }) else {
            throw Malformed(reason: "has no host")
        }
        guard digits.utf8.allSatisfy({ 0x30...0x39 ~= $0 }), let port = UInt16(digits), port > 0 else {
            throw Malformed(reason: "has no port from 1 to 65535")
        }
        return (String(host), port)
    }

    private static func decoded(_ text: Substring) throws(Malformed) -> String {
        var bytes: [UInt8] = []
        var rest = text.utf8[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                bytes.append(byte)
                continue
            }
            guard let high = rest.popFirst().flatMap(digit), let low = rest.popFirst().flatMap(digit) else {
                throw Malformed(reason: "has a '%' without two hexadecimal digits")
            }
            bytes.append(high << 4 | low)
        }
        guard !bytes.contains(0), let decoded = String(validating: bytes, as: UTF8.self) else {
            throw Malformed(reason: "is not UTF-8")
        }
        return decoded
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte - 0x30
        case 0x41...0x46: byte - 0x41 + 10
        case 0x61...0x66: byte - 0x61 + 10
        default: nil
        }
    }
}

extension RedisAddress: CustomStringConvertible {
    /// For the log: without user and password.
    package var description: String {
        switch stream {
        case .unix(let path): "unix:\(path)"
        case .tcp(let host, let port):
            "\(tlsHost == nil ? "redis" : "rediss")://\(host.contains(":") ? "[\(host)]" : host):\(port)/\(database)"
        }
    }
}

// The addresses of `--bind` as values. Parsing makes no system call: names are resolved later, in `ListeningSocket`.

/// Why an address cannot be used: it does not parse, or the system refused it.
package struct BindAddressError: Error, Equatable, CustomStringConvertible {
    /// The address as it was written.
    package let address: String
    package let reason: String

    package init(_ address: String, _ reason: String) {
        self.address = address
        self.reason = reason
    }

    package var description: String { "Cannot listen on \(address): \(reason)" }
}

/// Where to listen.
package enum BindAddress: Equatable, Sendable {
    /// A host name or a literal address (IPv6 without brackets). Port 0 lets the kernel choose.
    case tcp(host: String, port: UInt16)
    /// A socket file.
    case unix(path: String)
    /// A name in Linux's abstract namespace, without the leading NUL.
    case abstract(name: String)
    /// A listening socket that the process has inherited, e.g. from systemd.
    case inherited(fileDescriptor: Int32)
    /// Such a socket by the name that systemd has for it.
    case named(String)

    package static let defaultPort: UInt16 = 8000

    /// As `--bind` takes it.
    package var text: String {
        switch self {
        case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
        case .unix(let path): "unix:\(path)"
        case .abstract(let name): "unix:@\(name)"
        case .inherited(let descriptor): "fd://\(descriptor)"
        case .named(let name): "fd://\(name)"
        }
    }

    /// Reads `HOST:PORT`, `[IPV6]:PORT`, `:PORT` (every IPv4 address), `HOST` (port 8000), each also after `tcp://`;
    /// `unix:PATH`, `unix:@NAME`, `fd://N`, `fd://NAME`.
    package init(parsing text: String) throws(BindAddressError) {
        if let rest = text.removing(prefix: "unix:") {
            self = try Self.unixAddress(rest.removing(prefix: "//") ?? rest, text)
        } else if let rest = text.removing(prefix: "fd://") {
            let isName = rest.first.map { $0.isASCII && $0.isLetter } ?? false
            guard isName || rest.allSatisfy(\.isASCIIDigit) && Int32(rest) != nil else {
                throw BindAddressError(
                    text, "fd:// wants the number of a descriptor, or a name that systemd has for it")
            }
            self = Int32(rest).map { .inherited(fileDescriptor: $0) } ?? .named(String(rest))
        } else {
            self = try Self.tcpAddress(text.removing(prefix: "tcp://") ?? text[...], text)
        }
    }

    private static func unixAddress(_ rest: Substring, _ text: String) throws(BindAddressError) -> BindAddress {
        guard !rest.utf8.contains(0) else { throw BindAddressError(text, "a NUL in the name") }
        if let name = rest.removing(prefix: "@") {
            guard !name.isEmpty else { throw BindAddressError(text, "no name after @") }
            guard name.utf8.count < longestUnixName else {
                throw BindAddressError(text, "the name is longer than \(longestUnixName - 1) bytes")
            }
            return .abstract(name: String(name))
        }
        guard !rest.isEmpty else { throw BindAddressError(text, "no path after unix:") }
        guard rest.utf8.count < longestUnixName else {
            throw BindAddressError(text, "the path is longer than \(longestUnixName - 1) bytes")
        }
        return .unix(path: String(rest))
    }

    private static func tcpAddress(_ rest: Substring, _ text: String) throws(BindAddressError) -> BindAddress {
        guard !rest.contains("/"), !rest.utf8.contains(0), !rest.contains(where: \.isWhitespace) else {
            throw BindAddressError(text, "expected HOST:PORT, unix:PATH or fd://N")
        }
        if rest.hasPrefix("[") {
            guard let end = rest.firstIndex(of: "]") else { throw BindAddressError(text, "no ] after [") }
            let host = rest[rest.index(after: rest.startIndex)..<end]
            guard host.contains(":") else { throw BindAddressError(text, "only an IPv6 address stands in brackets") }
            let tail = rest[rest.index(after: end)...]
            if tail.isEmpty { return .tcp(host: String(host), port: defaultPort) }
            guard let port = tail.removing(prefix: ":") else {
                throw BindAddressError(text, "expected :PORT after ]")
            }
            return .tcp(host: String(host), port: try portNumber(port, text))
        }
        guard let colon = rest.lastIndex(of: ":") else {
            guard !rest.isEmpty else { throw BindAddressError(text, "the address is empty") }
            // As a host, a bare number would be read as a 32-bit IPv4 address.
            guard !rest.allSatisfy(\.isASCIIDigit) else {
                throw BindAddressError(text, "a port alone is written :\(rest)")
            }
            return .tcp(host: String(rest), port: defaultPort)
        }
        let host = rest[..<colon]
        guard !host.contains(":") else {
            throw BindAddressError(text, "an IPv6 address is written in brackets, as [::1]:8000")
        }
        let port = try portNumber(rest[rest.index(after: colon)...], text)
        return .tcp(host: host.isEmpty ? "0.0.0.0" : String(host), port: port)
    }

    private static func portNumber(_ digits: Substring, _ text: String) throws(BindAddressError) -> UInt16 {
        guard !digits.isEmpty, digits.allSatisfy(\.isASCIIDigit), let port = UInt16(digits) else {
            throw BindAddressError(text, "the port is a number from 0 to 65535")
        }
        return port
    }

    /// unix(7): `sun_path` has 108 bytes, one of them for the NUL that ends a path or begins an abstract name.
    private static let longestUnixName = 108
}

extension BindAddress: CustomStringConvertible {
    /// The address as the log shows it: `http://127.0.0.1:8000`, `unix:/run/app.sock`.
    package var description: String {
        switch self {
        case .tcp(let host, let port): "http://\(host.contains(":") ? "[\(host)]" : host):\(port)"
        case .unix(let path): "unix:\(path)"
        case .abstract(let name): "unix:@\(name)"
        case .inherited(let fileDescriptor): "fd://\(fileDescriptor)"
        case .named(let name): "fd://\(name)"
        }
    }
}

extension StringProtocol where SubSequence == Substring {
    fileprivate func removing(prefix: String) -> Substring? {
        hasPrefix(prefix) ? dropFirst(prefix.count) : nil
    }
}

extension Character {
    fileprivate var isASCIIDigit: Bool { ("0"..."9").contains(self) && isASCII }
}

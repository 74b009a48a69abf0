// The addresses of collectors as gunicorn takes them.

package import EvLoop

extension LogAddress {
    /// `udp://HOST:PORT`, `tcp://HOST:PORT`, `unix://PATH`, `unix://PATH#dgram`, `unix://PATH#stream`. Without a host
    /// it is localhost, without a port 514.
    package init(syslog text: String) throws(ValueError) {
        if text.hasPrefix("unix://") {
            let parts = text.dropFirst(7).split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
            let type: UnixType
            switch parts.count > 1 ? parts[1] : "" {
            case "": type = .either
            case "dgram": type = .datagram
            case "stream": type = .stream
            default: throw ValueError("'\(text)' ends with neither #dgram nor #stream")
            }
            self = .unix(path: try Self.path(parts[0], text), type)
        } else if text.hasPrefix("udp://") {
            let (host, port) = try Self.hostAndPort(text.dropFirst(6), 514, text)
            self = .udp(host: host, port: port)
        } else if text.hasPrefix("tcp://") {
            let (host, port) = try Self.hostAndPort(text.dropFirst(6), 514, text)
            self = .tcp(host: host, port: port)
        } else {
            throw ValueError("'\(text)' begins with neither udp:// nor tcp:// nor unix://")
        }
    }

    /// `HOST:PORT`, `HOST` for port 8125, `unix:PATH` or `unix://PATH`.
    package init(statsd text: String) throws(ValueError) {
        // As under gunicorn, `unix` followed by a number is a host.
        if text.hasPrefix("unix:"), UInt16(text.dropFirst(5)) == nil {
            let path = text.dropFirst(text.hasPrefix("unix://") ? 7 : 5)
            self = .unix(path: try Self.path(path, text), .datagram)
        } else {
            guard !text.isEmpty else { throw ValueError("the value is empty") }
            let (host, port) = try Self.hostAndPort(text[...], 8125, text)
            self = .udp(host: host, port: port)
        }
    }

    private static func path(_ path: Substring, _ text: String) throws(ValueError) -> String {
        guard !path.isEmpty, path.utf8.count < 108, !path.utf8.contains(0) else {
            throw ValueError("'\(text)' has no path of a socket, of at most 107 bytes")
        }
        return String(path)
    }

    private static func hostAndPort(
        _ address: Substring, _ standard: UInt16, _ text: String
    ) throws(ValueError) -> (String, UInt16) {
        var (host, rest) = (address, Substring())
        if address.first == "[", let end = address.firstIndex(of: "]") {
            host = address[address.index(after: address.startIndex)..<end]
            rest = address[address.index(after: end)...]
        } else if let colon = address.firstIndex(of: ":") {
            (host, rest) = (address[..<colon], address[colon...])
        }
        guard !host.utf8.contains(0) else { throw ValueError("'\(text)' has no name of a host") }
        let name = host.isEmpty ? "localhost" : host.lowercased()
        guard !rest.isEmpty else { return (name, standard) }
        guard rest.first == ":", let port = UInt16(rest.dropFirst()), port > 0 else {
            throw ValueError("'\(text)' has no port of 1 to 65535")
        }
        return (name, port)
    }
}

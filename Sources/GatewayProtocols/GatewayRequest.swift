// The variables of a request as a request of HTTP. Law: what HTTP would refuse is refused here, because the head that
// comes of it is read by the parser of HTTP/1.1 and by nothing else; so a name or value can begin no second line. What
// describes the way from the client to the web server (`Connection` and its kin) ends there.

package struct GatewayRequest: Sendable {
    /// A head of HTTP/1.1 or 1.0, from request line to the empty line.
    package let head: [UInt8]
    /// How many bytes of the path, as the head has it, are the name of the script: the prefix below which the app is.
    package let prefixCount: Int
    /// The text of REMOTE_ADDR; nil where there is none.
    package let remoteAddress: [UInt8]?
    /// The client has no address because it has connected by a Unix socket.
    package let isLocal: Bool
    package let remotePort: UInt16
    package let serverPort: UInt16?
    package let isSecure: Bool
    /// Nil where it is not told: there is no body then, or the protocol itself tells its end, as FastCGI does.
    package let contentLength: UInt64?

    /// - Parameter hasOpenBody: bytes of a body have come whose length is not told.
    package init(_ variables: GatewayVariables, hasOpenBody: Bool = false) throws(GatewayError) {
        var head: [UInt8] = []
        guard let method = variables.filled("REQUEST_METHOD"), method.allSatisfy(Self.isTokenByte) else {
            throw .badMethod
        }
        head.append(contentsOf: method)
        head.append(UInt8(ascii: " "))
        let (target, prefixCount) = try Self.target(variables)
        head.append(contentsOf: target)
        // Without a host no other version is possible (RFC 9112 section 3.2).
        let hasHost = variables["HTTP_HOST"] != nil || variables.filled("SERVER_NAME") != nil
        let isHTTP10 = !hasHost || variables["SERVER_PROTOCOL"].map { $0.elementsEqual("HTTP/1.0".utf8) } ?? false
        head.append(contentsOf: (isHTTP10 ? " HTTP/1.0\r\n" : " HTTP/1.1\r\n").utf8)
        self.prefixCount = prefixCount
        (remoteAddress, remotePort) = try Self.remote(variables)
        isLocal = variables["REMOTE_ADDR"].map { $0.elementsEqual(Self.unix) } ?? false
        serverPort = try Self.port(variables, "SERVER_PORT")
        isSecure = Self.isSecure(variables)
        contentLength = try Self.length(variables)
        try Self.appendHost(variables, isSecure, serverPort, to: &head)
        if let contentType = variables.filled("CONTENT_TYPE") {
            try Self.append("Content-Type".utf8, contentType, to: &head)
        }
        if let contentLength {
            head.append(contentsOf: "Content-Length: \(contentLength)\r\n".utf8)
        } else if hasOpenBody {
            head.append(contentsOf: "Transfer-Encoding: chunked\r\n".utf8)
        }
        try variables.forEachField { name, value throws(GatewayError) in
            if Self.isLeftOut(name) { return }
            try Self.append(name.map { $0 == UInt8(ascii: "_") ? UInt8(ascii: "-") : $0 }, value, to: &head)
        }
        head.append(contentsOf: "\r\n".utf8)
        self.head = head
    }

    // MARK: the target

    /// The path is the one on which the rules of the web server have decided. It is spelled as the client has spelled
    /// it where REQUEST_URI means the same path and query; else a rule has rewritten it, and nobody sees the other.
    private static func target(
        _ variables: GatewayVariables
    ) throws(GatewayError) -> (target: [UInt8], prefixCount: Int) {
        let uri = variables.filled("REQUEST_URI") ?? []
        guard uri.allSatisfy(isTargetByte) else { throw .badTarget }
        let query = variables["QUERY_STRING"]
        guard query?.allSatisfy(isTargetByte) ?? true else { throw .badTarget }
        let sent = (path: uri.prefix { $0 != question }, query: uri.drop { $0 != question }.dropFirst())
        let plain = decoded(sent.path)
        let (script, info) = try path(variables, plain)
        if script + info == plain, !sent.path.isEmpty, query?.elementsEqual(sent.query) ?? true {
            return (Array(uri), rawCount(of: script.count, in: sent.path))
        }
        let prefix = encoded(script)
        var target = prefix + encoded(info)
        guard target.first == UInt8(ascii: "/") || target.elementsEqual("*".utf8) else { throw .badTarget }
        let asked = query ?? sent.query
        if !asked.isEmpty { target += [question] + asked }
        return (target, prefix.count)
    }

    /// The prefix below which the app is, and the path below it, both decoded.
    ///
    /// - Parameter sent: the path of REQUEST_URI, decoded; nil where it cannot be.
    private static func path(
        _ variables: GatewayVariables, _ sent: [UInt8]?
    ) throws(GatewayError) -> (script: [UInt8], info: [UInt8]) {
        let slash = UInt8(ascii: "/")
        var script = Array(variables["SCRIPT_NAME"] ?? [])
        guard script.isEmpty || script.first == slash else { throw .badTarget }
        if let info = variables["PATH_INFO"] {
            if info.first == slash, script.last == slash { script.removeLast() }
            guard info.isEmpty || info.first == slash || info.elementsEqual("*".utf8) else { throw .badTarget }
            guard !script.isEmpty || !info.isEmpty else { throw .badTarget }
            return info.isEmpty && script == [slash] ? ([], script) : (script, Array(info))
        }
        // Usual for FastCGI, where the path names a file that is the script, and there is no path below it.
        guard let sent, !sent.isEmpty else { return ([], script) }
        if script.last == slash { script.removeLast() }
        let rest = sent.dropFirst(script.count)
        if sent.starts(with: script), rest.first == slash { return (script, Array(rest)) }
        return ([], script.isEmpty ? sent : Array(variables["SCRIPT_NAME"] ?? []))
    }

    private static let question = UInt8(ascii: "?")

    private static func isTargetByte(_ byte: UInt8) -> Bool {
        byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: "#")
    }

    /// Nil where a percent sign does not begin an escape.
    private static func decoded(_ path: ArraySlice<UInt8>) -> [UInt8]? {
        var plain: [UInt8] = []
        var rest = path
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%") else {
                plain.append(byte)
                continue
            }
            guard rest.count >= 2, let value = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16),
                rest.first != UInt8(ascii: "+"), rest.first != UInt8(ascii: "-")
            else { return nil }
            plain.append(value)
            rest = rest.dropFirst(2)
        }
        return plain
    }

    /// How many bytes of a path stand for its first `count` decoded ones.
    private static func rawCount(of count: Int, in path: ArraySlice<UInt8>) -> Int {
        var index = path.startIndex
        for _ in 0..<count where index < path.endIndex {
            index += path[index] == UInt8(ascii: "%") ? 3 : 1
        }
        return min(index, path.endIndex) - path.startIndex
    }

    private static func encoded(_ path: [UInt8]) -> [UInt8] {
        var encoded: [UInt8] = []
        for byte in path {
            if isPathByte(byte) {
                encoded.append(byte)
            } else {
                let digits = String(UInt16(byte) + 0x100, radix: 16, uppercase: true).dropFirst()
                encoded.append(UInt8(ascii: "%"))
                encoded.append(contentsOf: digits.utf8)
            }
        }
        return encoded
    }

    /// pchar and "/" (RFC 3986 3.3).
    private static func isPathByte(_ byte: UInt8) -> Bool {
        isTokenByte(byte) && byte != UInt8(ascii: "#") && byte != UInt8(ascii: "%") && byte != UInt8(ascii: "^")
            && byte != UInt8(ascii: "`") && byte != UInt8(ascii: "|")
            || "/:@,;=()".utf8.contains(byte)
    }

    // MARK: who and where

    private static let unix = Array("unix:".utf8)

    private static func remote(_ variables: GatewayVariables) throws(GatewayError) -> ([UInt8]?, UInt16) {
        let port = try port(variables, "REMOTE_PORT") ?? 0
        // nginx writes "unix:" for a client on a Unix socket.
        guard let address = variables.filled("REMOTE_ADDR"), !address.elementsEqual(unix) else {
            return (nil, 0)
        }
        guard address.count <= 45, address.allSatisfy({ isTokenByte($0) || $0 == UInt8(ascii: ":") }) else {
            throw .badAddress
        }
        return (Array(address), port)
    }

    private static func port(_ variables: GatewayVariables, _ name: StaticString) throws(GatewayError) -> UInt16? {
        guard let text = variables.filled(name) else { return nil }
        guard text.allSatisfy(isDigit), let port = UInt16(String(decoding: text, as: UTF8.self)) else {
            throw .badAddress
        }
        return port
    }

    private static func isSecure(_ variables: GatewayVariables) -> Bool {
        if let https = variables.filled("HTTPS") {
            let word = String(decoding: https, as: UTF8.self).lowercased()
            return word == "on" || word == "1" || word == "https"
        }
        return variables["REQUEST_SCHEME"].map { $0.elementsEqual("https".utf8) } ?? false
    }

    private static func length(_ variables: GatewayVariables) throws(GatewayError) -> UInt64? {
        let field = variables.filled("HTTP_CONTENT_LENGTH")
        guard let text = variables.filled("CONTENT_LENGTH") else {
            // A server that passes the field on, and no length, has not said how long the body is. One that says that
            // there is none keeps it to itself.
            guard field == nil || variables["CONTENT_LENGTH"] != nil else { throw .contradiction }
            return nil
        }
        guard text.count <= 19, text.allSatisfy(isDigit),
            let length = UInt64(String(decoding: text, as: UTF8.self))
        else { throw .badLength }
        if let field, !field.elementsEqual(text) { throw .contradiction }
        return length
    }

    /// HTTP_HOST, or the server's name where the client has sent none.
    private static func appendHost(
        _ variables: GatewayVariables, _ isSecure: Bool, _ port: UInt16?, to head: inout [UInt8]
    ) throws(GatewayError) {
        if let host = variables["HTTP_HOST"] { return try append("Host".utf8, host, to: &head) }
        guard let name = variables.filled("SERVER_NAME") else { return }
        let isBare = name.contains(UInt8(ascii: ":")) && name.first != UInt8(ascii: "[")
        var host = isBare ? [UInt8(ascii: "[")] + name + [UInt8(ascii: "]")] : Array(name)
        if let port, port != (isSecure ? 443 : 80) { host.append(contentsOf: ":\(port)".utf8) }
        try append("Host".utf8, host, to: &head)
    }

    // MARK: fields

    private static func append(
        _ name: some Collection<UInt8>, _ value: some Collection<UInt8>, to head: inout [UInt8]
    ) throws(GatewayError) {
        guard name.allSatisfy(isTokenByte) else { throw .badField }
        guard value.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == UInt8(ascii: "\t") }) else { throw .badField }
        head.append(contentsOf: name)
        head.append(contentsOf: ": ".utf8)
        head.append(contentsOf: value)
        head.append(contentsOf: "\r\n".utf8)
    }

    /// What has been written already, and what was between the client and the server alone.
    private static func isLeftOut(_ name: ArraySlice<UInt8>) -> Bool {
        leftOut.contains { name.elementsEqual($0) }
    }

    private static let leftOut: [[UInt8]] = [
        "HOST", "CONTENT_LENGTH", "CONTENT_TYPE", "CONNECTION", "KEEP_ALIVE", "PROXY_CONNECTION", "TRANSFER_ENCODING",
        "TE", "TRAILER", "UPGRADE", "EXPECT", "PROXY",
    ].map { Array($0.utf8) }

    /// RFC 9110 5.6.2.
    private static func isTokenByte(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"): true
        default: isDigit(byte) || "!#$%&'*+-.^_`|~".utf8.contains(byte)
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) }
}

// What an app says to bytes on the wire: start, fields, finishHead, body, end. Everything that decides a response's
// framing and whether its connection may be reused is here. Nothing is written that was not checked; it allocates
// nothing of its own.
internal import CHTTP

/// How the end of a response body is told.
package enum ResponseFraming: Equatable, Sendable {
    /// No content: HEAD, 1xx, 204, 304.
    case none
    /// Bytes still due.
    case length(UInt64)
    case chunked
    case untilClose
}

package struct ResponseEncoder: Sendable {
    /// What the caller knows of the body when the head is finished.
    package enum ContentLength: Equatable, Sendable {
        case known(UInt64), unknown
    }

    /// The interim response that lets a client send its body (RFC 9110 15.2.1).
    package static var continueResponse: StaticString { "HTTP/1.1 100 Continue\r\n\r\n" }

    private let requestIsHead: Bool
    private let requestVersion: HTTPVersion
    /// Another request may follow, as far as client and server are concerned. Final when the head is finished.
    package var keepAlive: Bool

    private var status = 0
    private var contentLength: UInt64?
    private var appCloses = false
    private var appUpgrades = false
    private var hasDate = false
    private var hasServer = false
    private var hasEnded = false

    package private(set) var framing = ResponseFraming.none
    /// The app gave more bytes than its Content-Length announced; they were dropped.
    package private(set) var overran = false
    /// The body ended before the announced length: the connection must not be reused.
    package private(set) var isShort = false

    package init(requestIsHead: Bool, requestVersion: HTTPVersion, keepAlive: Bool) {
        self.requestIsHead = requestIsHead
        self.requestVersion = requestVersion
        self.keepAlive = keepAlive
    }

    /// The connection ends with this response. Final when the response is.
    package var mustClose: Bool {
        !keepAlive || appCloses || isShort || framing == .untilClose
    }

    // MARK: - Head

    /// `reason` nil: the registered phrase. The version is the server's own (RFC 9110 2.5), whatever was asked with.
    package mutating func start(
        status: Int, reason: UnsafeRawBufferPointer?, into output: ByteWriter
    ) throws(HTTP1Error) {
        guard 100...999 ~= status else { throw HTTP1Error(.responseStatus) }
        if let reason, !Self.isText(reason) { throw HTTP1Error(.responseReason) }
        self.status = status
        output.append("HTTP/1.1 ")
        output.append(decimal: status)
        output.append(" ")
        if let reason {
            output.append(reason)
        } else {
            output.append(StatusPhrase.reason(for: status))
        }
        output.append("\r\n")
    }

    /// One field line of the app's. Content-Length and Connection are taken in, and written with the head's end;
    /// fields that are the connection's and not the app's are refused (RFC 9110 7.6.1).
    package mutating func field(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer, into output: ByteWriter
    ) throws(HTTP1Error) {
        let nameBytes = name.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard evg_is_token(nameBytes, name.count) else { throw HTTP1Error(.responseFieldName) }
        guard Self.isText(value) else { throw HTTP1Error(.responseFieldValue) }
        switch evg_field_kind(nameBytes, name.count) {
        case EVG_FIELD_CONTENT_LENGTH:
            return try takeContentLength(value)
        case EVG_FIELD_CONNECTION:
            return try takeConnection(value)
        case EVG_FIELD_TRANSFER_ENCODING, EVG_FIELD_HOP_BY_HOP:
            throw HTTP1Error(.responseHopByHop)
        case EVG_FIELD_UPGRADE where status != 101 && status != 426:
            throw HTTP1Error(.responseHopByHop)
        case EVG_FIELD_DATE:
            hasDate = true
        case EVG_FIELD_SERVER:
            hasServer = true
        default:
            break
        }
        output.append(name)
        output.append(": ")
        output.append(value)
        output.append("\r\n")
    }

    /// The framing fields, Connection, Date, Server and the empty line. `date` and `server` yield to the app's own.
    package mutating func finishHead(
        body: ContentLength, date: UnsafeRawBufferPointer, server: UnsafeRawBufferPointer?,
        into output: ByteWriter
    ) throws(HTTP1Error) {
        if let server, !Self.isText(server) { throw HTTP1Error(.responseFieldValue) }
        guard Self.isText(date) else { throw HTTP1Error(.responseFieldValue) }
        writeFraming(body, into: output)
        writeConnection(into: output)
        if !hasDate && date.count > 0 {
            output.append("Date: ")
            output.append(date)
            output.append("\r\n")
        }
        if let server, !hasServer {
            output.append("Server: ")
            output.append(server)
            output.append("\r\n")
        }
        output.append("\r\n")
    }

    // MARK: - Body

    /// Writes as much of `bytes` as the framing has room for.
    package mutating func body(_ bytes: UnsafeRawBufferPointer, into output: ByteWriter) {
        let count = bodyPrefix(count: bytes.count, into: output)
        guard count > 0 else { return }
        output.append(UnsafeRawBufferPointer(rebasing: bytes[0..<count]))
        bodySuffix(into: output)
    }

    /// For bytes that do not pass through `output`: writes what comes before them, and returns how many of them the
    /// caller is to send, 0 for none and then no suffix either.
    package mutating func bodyPrefix(count: Int, into output: ByteWriter) -> Int {
        guard count > 0, !hasEnded else { return 0 }
        switch framing {
        case .none:
            return 0
        case .untilClose:
            return count
        case .chunked:
            output.append(hex: UInt64(count))
            output.append("\r\n")
            return count
        case .length(let due):
            let taken = min(due, UInt64(count))
            if taken < UInt64(count) { overran = true }
            framing = .length(due - taken)
            return Int(taken)
        }
    }

    package mutating func bodySuffix(into output: ByteWriter) {
        if framing == .chunked { output.append("\r\n") }
    }

    /// The last chunk where there is one. False when fewer bytes were given than announced: the connection must close.
    /// Not called for a body that broke off: then nothing must look like an end (RFC 9112 8).
    package mutating func end(into output: ByteWriter) -> Bool {
        guard !hasEnded else { return !isShort }
        hasEnded = true
        switch framing {
        case .chunked:
            output.append("0\r\n\r\n")
        case .length(let due) where due > 0:
            isShort = true
        default:
            break
        }
        return !isShort
    }
}

// MARK: - The connection's fields

extension ResponseEncoder {
    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        evg_is_text(bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), bytes.count)
    }

    private mutating func takeContentLength(_ value: UnsafeRawBufferPointer) throws(HTTP1Error) {
        var length: UInt64 = 0
        let bytes = value.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard evg_parse_length(bytes, value.count, &length), contentLength ?? length == length else {
            throw HTTP1Error(.responseContentLength)
        }
        contentLength = length
    }

    private mutating func takeConnection(_ value: UnsafeRawBufferPointer) throws(HTTP1Error) {
        let bytes = value.baseAddress?.assumingMemoryBound(to: UInt8.self)
        let options = Int(evg_connection_options(bytes, value.count))
        guard options & EVG_OPTION_OTHER == 0 else { throw HTTP1Error(.responseHopByHop) }
        if options & EVG_OPTION_CLOSE != 0 { appCloses = true }
        if options & EVG_OPTION_UPGRADE != 0 {
            guard status == 101 || status == 426 else { throw HTTP1Error(.responseHopByHop) }
            appUpgrades = true
        }
    }

    /// RFC 9112 6.1 to 6.3 and 9110 8.6, sender's side.
    private mutating func writeFraming(_ body: ContentLength, into output: ByteWriter) {
        var length = contentLength
        if case .known(let known) = body, length == nil { length = known }
        if status < 200 || status == 204 {
            framing = .none
        } else if requestIsHead || status == 304 {
            // The length of what GET would have got. That nothing was given here says nothing about it.
            framing = .none
            if let length, length > 0 || contentLength != nil { writeContentLength(length, into: output) }
        } else if status == 205 {
            framing = .length(0)
            writeContentLength(0, into: output)
        } else if let length {
            framing = .length(length)
            writeContentLength(length, into: output)
        } else if requestVersion == .http10 {
            framing = .untilClose
        } else {
            framing = .chunked
            output.append("Transfer-Encoding: chunked\r\n")
        }
    }

    private func writeContentLength(_ length: UInt64, into output: ByteWriter) {
        output.append("Content-Length: ")
        output.append(decimal: length)
        output.append("\r\n")
    }

    /// 1.1 stays open unless told otherwise, 1.0 closes (RFC 9112 9.3). An interim response says neither.
    private func writeConnection(into output: ByteWriter) {
        if appUpgrades {
            output.append(status == 426 && mustClose ? "Connection: upgrade, close\r\n" : "Connection: upgrade\r\n")
        } else if status < 200 {
            return
        } else if mustClose {
            output.append("Connection: close\r\n")
        } else if requestVersion == .http10 {
            output.append("Connection: keep-alive\r\n")
        }
    }
}

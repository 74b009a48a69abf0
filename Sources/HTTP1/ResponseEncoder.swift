// A response head as HTTP/1.1, and the framing of its body. The head was checked when it was built: here its block is
// copied, and the fields that are the wire's are written behind it.
internal import Glibc
package import HTTPCore

package struct ResponseEncoder: Sendable, Equatable {
    /// How the bytes of a body stand on the wire.
    package enum Framing: Equatable, Sendable {
        /// As they are: there are none, or their number is announced.
        case plain
        case chunked
        /// As they are, until the connection ends.
        case untilClose
    }

    package private(set) var framing = Framing.plain
    /// The connection ends with this response.
    package private(set) var mustClose = false

    /// The connection is not the client's, and its end is nothing that the response says.
    private let isGateway: Bool

    /// - Parameter isGateway: the response goes to a web server by a gateway protocol (RFC 3875 section 6).
    package init(isGateway: Bool = false) { self.isGateway = isGateway }

    /// In the middle of a response whose head another encoder has written.
    package init(resuming framing: Framing, mustClose: Bool) {
        self.init()
        self.framing = framing
        self.mustClose = mustClose
    }

    /// The interim response that lets a client send its body (RFC 9110 15.2.1).
    package static var continueResponse: StaticString { "HTTP/1.1 100 Continue\r\n\r\n" }

    /// The status line of the interim response that field lines and an empty line follow (RFC 8297).
    package static var earlyHints: StaticString { "HTTP/1.1 103 Early Hints\r\n" }

    /// Bytes that ``head(_:length:announced:version:keepAlive:serverLines:into:)`` writes at most, beside those of the
    /// head and of the server's lines: version, status, line ends, Content-Length and Connection.
    private static let overhead = 128

    /// Writes a head. The version is the server's own, whatever was asked with (RFC 9110 2.5).
    ///
    /// - Parameters:
    ///   - keepAlive: another request may follow, as far as client and server are concerned.
    ///   - serverLines: the field lines `Date` and `Server`, each with its CRLF, whose place the app's own take; and
    ///     others.
    /// - Returns: where the field lines begin.
    package mutating func head(
        _ head: borrowing ResponseHead, length: ResponseLength, announced: UInt64?, version: HTTPVersion,
        keepAlive: Bool, serverLines: ServerLines, into output: ByteWriter
    ) -> Int {
        let status = head.status
        let reason = head.reason
        let lines = head.lines
        framing = length.isOpen ? (version == .http10 ? .untilClose : .chunked) : .plain
        mustClose = !keepAlive || head.closes || framing == .untilClose
        let room = Self.overhead + reason.count + lines.count + serverLines.count
        var fieldsAt = 0
        output.append(upTo: room) { room in
            var cursor = Cursor(room)
            cursor.put("HTTP/1.1 ")
            cursor.put(decimal: UInt64(status))
            cursor.put(" ")
            cursor.put(reason)
            cursor.put("\r\n")
            fieldsAt = cursor.count
            cursor.put(lines)
            if let announced {
                cursor.put("Content-Length: ")
                cursor.put(decimal: announced)
                cursor.put("\r\n")
            }
            if framing == .chunked { cursor.put("Transfer-Encoding: chunked\r\n") }
            if !isGateway, let connection = connection(status, version, upgrades: head.upgrades) {
                cursor.put(connection)
            }
            if !head.hasDate { cursor.put(serverLines.date) }
            if !head.hasServer { cursor.put(serverLines.server) }
            cursor.put(serverLines.more)
            cursor.put("\r\n")
            return cursor.count
        }
        return fieldsAt
    }

    /// 1.1 stays open unless told otherwise, 1.0 closes (RFC 9112 9.3). An interim response says neither.
    private func connection(_ status: Int, _ version: HTTPVersion, upgrades: Bool) -> StaticString? {
        if upgrades {
            return status == 426 && mustClose ? "Connection: upgrade, close\r\n" : "Connection: upgrade\r\n"
        }
        if status < 200 { return nil }
        if mustClose { return "Connection: close\r\n" }
        return version == .http10 ? "Connection: keep-alive\r\n" : nil
    }

    /// What comes before `count` bytes of the body, at least one.
    package func prefix(count: Int, into output: ByteWriter) {
        guard framing == .chunked else { return }
        output.append(hex: UInt64(count))
        output.append("\r\n")
    }

    /// What comes behind them.
    package func suffix(into output: ByteWriter) {
        if framing == .chunked { output.append("\r\n") }
    }

    /// The end of a body that is whole. Not for one that broke off: then nothing must look like an end (RFC 9112 8).
    ///
    /// - Parameter trailers: field lines (RFC 9112 7.1.2), each with its CRLF, for which only chunks have room.
    package func end(_ trailers: UnsafeRawBufferPointer, into output: ByteWriter) {
        guard framing == .chunked else { return }
        output.append("0\r\n")
        output.append(trailers)
        output.append("\r\n")
    }
}

/// The field lines that the server adds to a response.
package struct ServerLines {
    package var date: UnsafeRawBufferPointer
    package var server: UnsafeRawBufferPointer
    /// Others, which the app has not given.
    package var more: UnsafeRawBufferPointer

    package init(date: UnsafeRawBufferPointer, server: UnsafeRawBufferPointer, more: UnsafeRawBufferPointer) {
        self.date = date
        self.server = server
        self.more = more
    }

    var count: Int { date.count + server.count + more.count }
}

/// Writes into a room whose size was computed before; what does not fit is not written.
private struct Cursor {
    private let start: UnsafeMutableRawPointer?
    private let capacity: Int
    private(set) var count = 0

    init(_ room: UnsafeMutableRawBufferPointer) {
        start = room.baseAddress
        capacity = room.count
    }

    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard let start, let source = bytes.baseAddress, bytes.count <= capacity - count else { return }
        memcpy(start + count, source, bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func put(_ text: StaticString) { put(text.bytes) }

    mutating func put(decimal value: UInt64) {
        guard let start, capacity - count >= 20 else { return }
        var digits = 1
        var rest = value
        while rest >= 10 {
            digits += 1
            rest /= 10
        }
        rest = value
        var place = count + digits
        count = place
        repeat {
            place -= 1
            start.storeBytes(of: UInt8(truncatingIfNeeded: 0x30 + rest % 10), toByteOffset: place, as: UInt8.self)
            rest /= 10
        } while rest > 0
    }
}

// A request head as it was received, and where in its bytes everything is. Immutable, three allocations at most, and
// its properties in an order that leaves no gaps: each request that waits keeps one.
internal import CHTTP

/// 1.2 to 1.9 are read as 1.1 (RFC 9110 2.5).
package enum HTTPVersion: Sendable, Equatable {
    case http10, http11
}

/// How the end of a request body is known (RFC 9112 6.3).
package enum BodyFraming: Equatable, Sendable {
    case none, length(UInt64), chunked
}

/// A range of ``RequestHead/bytes``.
package struct ByteSlice: Sendable, Equatable {
    package var start: UInt32
    package var count: UInt32

    package init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    init(_ slice: evg_slice) {
        self.init(start: slice.start, count: slice.count)
    }

    package var isEmpty: Bool { count == 0 }
    package var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
}

/// One field line; the value without the whitespace around it.
package struct FieldSlice: Sendable, Equatable {
    package var name: ByteSlice
    package var value: ByteSlice

    init(_ field: evg_field) {
        name = ByteSlice(field.name)
        value = ByteSlice(field.value)
    }
}

package final class RequestHead: Sendable {
    /// Request line to final CRLF, as received.
    package let bytes: [UInt8]
    /// Field lines in the order of arrival.
    package let fields: [FieldSlice]

    package let method: ByteSlice
    /// As on the wire.
    package let target: ByteSlice
    /// Of the origin or absolute form, never empty; "*" of `OPTIONS *`.
    package let path: ByteSlice
    /// Behind the "?", which ``hasQuery`` tells from none.
    package let query: ByteSlice
    /// Of an absolute-form target, else Host's value; empty only for HTTP/1.0 without Host (RFC 9112 3.2.2, 3.3).
    package let authority: ByteSlice

    package let framing: BodyFraming
    /// Of an absolute-form target: "http" or "https" in any case.
    package let scheme: ByteSlice?
    package let hasQuery: Bool
    package let version: HTTPVersion
    /// A 100 is due before the client sends its body (RFC 9110 10.1.1).
    package let expectsContinue: Bool
    /// The client allows another request on the connection.
    package let keepAlive: Bool
    /// An Upgrade that HTTP/1.1 lets the server consider (RFC 9110 7.8).
    package let upgrade: Bool
    package let isHead: Bool

    init(_ head: evg_head, bytes: [UInt8], fields: [FieldSlice], framing: BodyFraming) {
        self.bytes = bytes
        self.fields = fields
        self.framing = framing
        method = ByteSlice(head.method)
        target = ByteSlice(head.target)
        path = ByteSlice(head.path)
        query = ByteSlice(head.query)
        hasQuery = head.has_query != 0
        scheme = head.has_scheme != 0 ? ByteSlice(head.scheme) : nil
        authority = ByteSlice(head.has_scheme != 0 ? head.authority : head.host)

        let isHTTP11 = head.minor_version > 0
        version = isHTTP11 ? .http11 : .http10
        expectsContinue = isHTTP11 && head.expects_continue != 0 && framing != .none && framing != .length(0)
        let options = Int(head.connection)
        let closes = options & EVG_OPTION_CLOSE != 0
        keepAlive = !closes && (isHTTP11 || options & EVG_OPTION_KEEP_ALIVE != 0)
        upgrade = isHTTP11 && head.upgrades > 0 && options & EVG_OPTION_UPGRADE != 0
        isHead = head.method.count == 4 && Self.equals(bytes, head.method, "HEAD")
    }

    private static func equals(_ bytes: [UInt8], _ slice: evg_slice, _ word: StaticString) -> Bool {
        word.withUTF8Buffer { bytes[ByteSlice(slice).range].elementsEqual($0) }
    }
}

// MARK: - Looking things up

extension RequestHead {
    /// UTF-8, repaired where it is not.
    package func string(_ slice: ByteSlice) -> String {
        withBytes(of: slice) { String(decoding: $0, as: UTF8.self) }
    }

    package func withBytes<Result, Failure: Error>(
        of slice: ByteSlice, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        try bytes.withUnsafeBufferPointer { buffer throws(Failure) in
            try body(UnsafeRawBufferPointer(UnsafeBufferPointer(rebasing: buffer[slice.range])))
        }
    }

    /// `name` in any case.
    package func firstValue(of name: StaticString) -> ByteSlice? {
        fields.first { matches($0.name, name) }?.value
    }

    /// Of every line of that name, in order.
    package func values(of name: StaticString) -> [ByteSlice] {
        fields.compactMap { matches($0.name, name) ? $0.value : nil }
    }

    /// ASCII case-insensitive.
    package func matches(_ slice: ByteSlice, _ word: StaticString) -> Bool {
        guard Int(slice.count) == word.utf8CodeUnitCount else { return false }
        return withBytes(of: slice) { bytes in
            evg_equal_ignoring_case(bytes.baseAddress, word.utf8Start, bytes.count)
        }
    }
}

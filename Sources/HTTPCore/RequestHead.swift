// A request head as a value, whatever wire brought it. It is immutable: Swift apps, the access log and the worker
// classes in C all read the one record (evg_request_head.h), which lives as long as this object. What each request asks
// of it is inlined into other modules, where the head then need not be retained: @inlinable has an effect on what is
// `package` only if the type, and all that is named, is @usableFromInline.
public import CHTTP

/// 1.2 to 1.9 are read as 1.1 (RFC 9110 2.5).
@usableFromInline package enum HTTPVersion: Sendable, Equatable {
    case http11, http10, http2
}

/// How the end of a request body is known (RFC 9112 6.3).
@usableFromInline package enum BodyFraming: Equatable, Sendable {
    case none, length(UInt64), chunked

    /// There is no body, or one of no bytes.
    @inlinable package var isEmpty: Bool { self == .none || self == .length(0) }
}

/// A range of a head's bytes.
@usableFromInline package struct ByteSlice: Sendable, Equatable {
    @usableFromInline package var start: UInt32
    @usableFromInline package var count: UInt32

    @inlinable package init(start: UInt32, count: UInt32) {
        self.start = start
        self.count = count
    }

    @inlinable package init(_ slice: evg_slice) {
        self.init(start: slice.start, count: slice.count)
    }

    @inlinable package var isEmpty: Bool { count == 0 }
    @inlinable package var range: Range<Int> { Int(start)..<Int(start) + Int(count) }
}

/// One field line; the value without the whitespace around it.
@usableFromInline package struct FieldSlice: Sendable, Equatable {
    @usableFromInline package var name: ByteSlice
    @usableFromInline package var value: ByteSlice

    @inlinable package init(_ field: evg_field) {
        name = ByteSlice(field.name)
        value = ByteSlice(field.value)
    }
}

@usableFromInline package final class RequestHead: Sendable {
    /// Valid for as long as this object. Nothing writes to it once it is made, so every thread may read it.
    @usableFromInline package nonisolated(unsafe) let record: UnsafePointer<evg_request_head>

    /// - Parameter record: at the start of a block that was allocated by `allocate(byteCount:alignment:)` of Swift's
    ///   pointers, which passes to this object.
    package init(owning record: UnsafePointer<evg_request_head>) {
        self.record = record
    }

    deinit { UnsafeMutableRawPointer(mutating: record).deallocate() }

    /// Makes a head that was read as HTTP/1.1 one of HTTP/2. Only for whoever has just made it, before anybody else
    /// knows it.
    ///
    /// - Parameters:
    ///   - hasOpenBody: there is a body of which no field says how long it is.
    ///   - isConnect: it was read as OPTIONS, and is a CONNECT that has a path (RFC 8441).
    package func becomeHTTP2(hasOpenBody: Bool, isConnect: Bool = false) {
        evg_request_head_become_http2(UnsafeMutablePointer(mutating: record), hasOpenBody, isConnect)
    }

    /// Where the head's parts are.
    @inlinable package var method: ByteSlice { ByteSlice(record.pointee.method) }
    /// As on the wire.
    @inlinable package var target: ByteSlice { ByteSlice(record.pointee.target) }
    /// Of the origin or absolute form, never empty; "*" of `OPTIONS *`.
    @inlinable package var path: ByteSlice { ByteSlice(record.pointee.path) }
    /// Behind the "?", which ``hasQuery`` tells from none.
    @inlinable package var query: ByteSlice { ByteSlice(record.pointee.query) }
    @inlinable package var hasQuery: Bool { record.pointee.has_query }
    /// Of an absolute-form target, else Host's value; empty only for HTTP/1.0 without Host (RFC 9112 3.2.2, 3.3).
    @inlinable package var authority: ByteSlice { ByteSlice(record.pointee.authority) }
    /// Of an absolute-form target: "http" or "https" in any case.
    package var scheme: ByteSlice? {
        record.pointee.scheme.count > 0 ? ByteSlice(record.pointee.scheme) : nil
    }

    @inlinable package var framing: BodyFraming {
        switch UInt32(record.pointee.framing) {
        case EVG_BODY_LENGTH.rawValue: .length(record.pointee.content_length)
        case EVG_BODY_CHUNKED.rawValue: .chunked
        default: .none
        }
    }
    @inlinable package var version: HTTPVersion {
        switch UInt32(record.pointee.version) {
        case EVG_HTTP_10.rawValue: .http10
        case EVG_HTTP_2.rawValue: .http2
        default: .http11
        }
    }
    /// There is a body, whose end only the wire tells, and not its bytes.
    @inlinable package var hasOpenBody: Bool { version == .http2 && framing == .chunked }
    /// A 100 is due before the client sends its body (RFC 9110 10.1.1).
    @inlinable package var expectsContinue: Bool { record.pointee.expects_continue }
    /// The client allows another request on the connection.
    @inlinable package var keepAlive: Bool { record.pointee.keeps_alive }
    /// An Upgrade that HTTP/1.1 lets the server consider (RFC 9110 7.8).
    @inlinable package var upgrade: Bool { record.pointee.upgrades }
    @inlinable package var isHead: Bool { record.pointee.is_head }

    /// Field lines in the order of arrival. The authority of an absolute-form target stands for Host's value.
    package var fields: FieldLines { FieldLines(head: self) }
}

/// The field lines of a head.
package struct FieldLines: RandomAccessCollection, Sendable {
    let head: RequestHead

    package var startIndex: Int { 0 }
    package var endIndex: Int { Int(head.record.pointee.field_count) }
    package subscript(index: Int) -> FieldSlice {
        precondition(indices.contains(index))
        return FieldSlice(head.record.pointee.fields[index])
    }
}

// MARK: - Looking things up

extension RequestHead {
    /// UTF-8, repaired where it is not.
    package func string(_ slice: ByteSlice) -> String {
        withBytes(of: slice) { String(decoding: $0, as: UTF8.self) }
    }

    /// Calls with the whole head, request line to final CRLF, as it was received.
    package func withBytes<Result, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(self) }
        return try body(UnsafeRawBufferPointer(start: record.pointee.bytes, count: Int(record.pointee.byte_count)))
    }

    package func withBytes<Result, Failure: Error>(
        of slice: ByteSlice, _ body: (UnsafeRawBufferPointer) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        defer { extendLifetime(self) }
        return try body(
            UnsafeRawBufferPointer(start: record.pointee.bytes + Int(slice.start), count: Int(slice.count)))
    }

    /// The request line without its line end. Valid for as long as this object.
    @inlinable package var requestLine: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: record.pointee.bytes, count: Int(record.pointee.request_line_count))
    }

    /// `name` in any case.
    package func firstValue(of name: StaticString) -> ByteSlice? {
        fields.first { matches($0.name, name) }?.value
    }

    /// The value of the last line of a name, in lower case; empty for none. Valid for as long as this object.
    package func lastValue(of name: [UInt8]) -> UnsafeRawBufferPointer {
        var place = Int(record.pointee.field_count)
        while place > 0 {
            place -= 1
            let field = FieldSlice(record.pointee.fields[place])
            if matches(field.name, name) { return bytes(of: field.value) }
        }
        return UnsafeRawBufferPointer(start: nil, count: 0)
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

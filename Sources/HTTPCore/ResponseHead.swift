// A response head as a value, before it is bytes on any wire. Swift apps build it here and Python apps in C
// (evg_response_head.h): by the same builder, so that what it refuses and what it lets through is decided once.
package import CHTTP

/// Why a response head is refused: a mistake of the app's.
package struct ResponseHeadError: Error, Equatable, Sendable, CustomStringConvertible {
    package let refusal: evg_head_refusal

    package init(_ refusal: evg_head_refusal) { self.refusal = refusal }

    /// Printable ASCII, never bytes of the head.
    package var description: String { String(cString: evg_head_refusal_text(refusal)) }

    package static func == (one: Self, other: Self) -> Bool { one.refusal == other.refusal }
}

/// Status, reason phrase, and the app's fields as one block of checked `Name: value` lines.
///
/// Of the fields that belong to the wire, `Content-Length` and `Connection` are taken in (``contentLength``,
/// ``closes``, ``upgrades``) and written by the wire in its own way; the others are refused (RFC 9110 7.6.1).
package struct ResponseHead: ~Copyable {
    private var storage = evg_response_head()

    /// A head to be begun by ``begin(status:reason:)``, which keeps its memory for the next one.
    package init() {}

    /// - Throws: `ResponseHeadError` for a status outside of 100...999 or control bytes in the reason.
    package init(status: Int, reason: UnsafeRawBufferPointer? = nil) throws(ResponseHeadError) {
        try begin(status: status, reason: reason)
    }

    deinit {
        var storage = storage
        evg_response_head_free(&storage)
    }

    /// Forgets what was there and begins again.
    /// - Parameter reason: nil for the registered phrase.
    package mutating func begin(
        status: Int, reason: UnsafeRawBufferPointer? = nil
    ) throws(ResponseHeadError) {
        let status = Int32(clamping: status)
        let refusal =
            if let reason {
                evg_response_head_begin(&storage, status, reason.bytes ?? ("" as StaticString).utf8Start, reason.count)
            } else {
                evg_response_head_begin(&storage, status, nil, 0)
            }
        guard refusal == EVG_HEAD_ACCEPTED else { throw ResponseHeadError(refusal) }
    }

    /// Adds a field line.
    package mutating func append(
        name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer
    ) throws(ResponseHeadError) {
        let refusal = evg_response_head_add(&storage, name.bytes, name.count, value.bytes, value.count)
        guard refusal == EVG_HEAD_ACCEPTED else { throw ResponseHeadError(refusal) }
    }

    package mutating func append(_ name: StaticString, _ value: StaticString) throws(ResponseHeadError) {
        try append(name: name.bytes, value: value.bytes)
    }

    /// A head that C owns: to be read through the pointer, never to be moved out of it.
    package static func lent(_ head: UnsafePointer<evg_response_head>) -> UnsafePointer<ResponseHead> {
        // The struct has one stored property, so that its memory is laid out like the C record's.
        UnsafeRawPointer(head).assumingMemoryBound(to: ResponseHead.self)
    }

    package var status: Int { Int(storage.status) }
    /// What the app's Content-Length says, in bytes.
    package var contentLength: UInt64? { says(EVG_HEAD_HAS_LENGTH) ? storage.content_length : nil }
    /// The app has given a Date.
    package var hasDate: Bool { says(EVG_HEAD_HAS_DATE) }
    /// The app has given a Server field.
    package var hasServer: Bool { says(EVG_HEAD_HAS_SERVER) }
    /// The app wants the connection to end with this response.
    package var closes: Bool { says(EVG_HEAD_CLOSES) }
    /// The app names another protocol, in a 101 or 426.
    package var upgrades: Bool { says(EVG_HEAD_UPGRADES) }
    /// The fields instruct the server: one of GRIP's names, or `application/grip-instruct`.
    package var instructs: Bool { says(EVG_HEAD_GRIP) }

    /// The request is to be run again, by another worker.
    package var replays: Bool { says(EVG_HEAD_REPLAYS) }

    private func says(_ flag: Int) -> Bool { Int(storage.says) & flag != 0 }

    /// The reason phrase. Valid until the head changes or ends.
    package var reason: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: storage.bytes, count: Int(storage.reason_count))
    }
    /// The app's field lines, each with its CRLF. Valid until the head changes or ends.
    package var lines: UnsafeRawBufferPointer {
        let start = storage.bytes.map { UnsafeRawPointer($0) + Int(storage.reason_count) }
        return UnsafeRawBufferPointer(start: start, count: Int(storage.count - storage.reason_count))
    }
}

/// Field lines of a response as they went out, for an access log that shows some of them.
package enum FieldBlock {
    /// The value of the first line of a name (lower case) in a block of `Name: value` lines; nil when there is none.
    package static func value(of name: [UInt8], in lines: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        var start: UnsafePointer<UInt8>?
        var count = 0
        guard evg_lines_find(lines.bytes, lines.count, name, name.count, &start, &count) else { return nil }
        return UnsafeRawBufferPointer(start: start, count: count)
    }
}

extension UnsafeRawBufferPointer {
    @inlinable var bytes: UnsafePointer<UInt8>? { baseAddress?.assumingMemoryBound(to: UInt8.self) }
}

extension StaticString {
    @inlinable package var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount)
    }
}

/// The reason phrases of the IANA status code registry.
package enum StatusPhrase {
    /// Valid for ever; empty for a code that has none.
    package static func reason(for status: Int) -> UnsafeRawBufferPointer {
        var count = 0
        let phrase = evg_reason_phrase(Int32(clamping: status), &count)
        return UnsafeRawBufferPointer(start: phrase, count: count)
    }
}

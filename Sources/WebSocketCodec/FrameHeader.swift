// The head of a frame (RFC 6455 section 5.2): two bytes, a longer length, and the client's masking key.

package enum Opcode: UInt8, Sendable {
    case continuation = 0x0
    case text = 0x1
    case binary = 0x2
    case close = 0x8
    case ping = 0x9
    case pong = 0xa

    package var isControl: Bool { rawValue & 0x8 != 0 }
}

package struct FrameHeader: Equatable, Sendable {
    /// The last frame of its message.
    package var isFinal: Bool
    /// RSV1: the message is compressed (RFC 7692 section 6).
    package var isCompressed: Bool
    package var opcode: Opcode
    /// Bytes of the payload.
    package var count: UInt64

    package static let controlLimit = 125
    package static let longest = 14

    /// Bytes of the whole head, as its second byte tells.
    static func length(second: UInt8) -> Int {
        let extended = second & 0x7f == 127 ? 8 : second & 0x7f == 126 ? 2 : 0
        return 2 + extended + (second & 0x80 != 0 ? 4 : 0)
    }

    /// Reads a whole head of a client's frame.
    ///
    /// - Returns: the head, and the masking key as four bytes of memory.
    static func read(
        _ bytes: UnsafeRawBufferPointer, mayBeCompressed: Bool
    ) throws(Violation) -> (FrameHeader, key: UInt32) {
        let (first, second) = (bytes[0], bytes[1])
        guard first & 0x30 == 0, first & 0x40 == 0 || mayBeCompressed else {
            throw Violation(.protocolError, "a reserved bit is set")
        }
        guard let opcode = Opcode(rawValue: first & 0x0f) else {
            throw Violation(.protocolError, "an unknown opcode")
        }
        guard second & 0x80 != 0 else { throw Violation(.protocolError, "a frame of a client is not masked") }
        let header = FrameHeader(
            isFinal: first & 0x80 != 0, isCompressed: first & 0x40 != 0, opcode: opcode,
            count: try payloadLength(bytes))
        if opcode.isControl {
            guard header.isFinal else { throw Violation(.protocolError, "a control frame is fragmented") }
            guard header.count <= controlLimit else { throw Violation(.protocolError, "a control frame is too long") }
        }
        // Of a message the first frame says it, and a control frame never (RFC 7692 section 6.1).
        guard !header.isCompressed || opcode == .text || opcode == .binary else {
            throw Violation(.protocolError, "a reserved bit is set")
        }
        return (header, bytes.loadUnaligned(fromByteOffset: bytes.count - 4, as: UInt32.self))
    }

    /// In its shortest form only.
    private static func payloadLength(_ bytes: UnsafeRawBufferPointer) throws(Violation) -> UInt64 {
        let length: UInt64
        switch bytes[1] & 0x7f {
        case 126:
            length = UInt64(UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self)))
            if length > 125 { return length }
        case 127:
            length = UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt64.self))
            guard length <= UInt64(Int64.max) else { throw Violation(.protocolError, "a length's first bit is set") }
            if length > 0xffff { return length }
        case let short:
            return UInt64(short)
        }
        throw Violation(.protocolError, "a length is not in its shortest form")
    }
}

/// The head of a frame of the server's own: final, and not masked.
package struct OwnFrameHead {
    private var bytes: InlineArray<10, UInt8>
    package let count: Int

    package init(_ opcode: Opcode, count payload: Int, isCompressed: Bool = false) {
        bytes = InlineArray(repeating: 0)
        bytes[0] = 0x80 | (isCompressed ? 0x40 : 0) | opcode.rawValue
        if payload <= 125 {
            bytes[1] = UInt8(payload)
            count = 2
        } else if payload <= 0xffff {
            bytes[1] = 126
            count = 4
        } else {
            bytes[1] = 127
            count = 10
        }
        var rest = payload
        for index in stride(from: count - 1, through: 2, by: -1) {
            bytes[index] = UInt8(truncatingIfNeeded: rest)
            rest >>= 8
        }
    }

    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        Swift.withUnsafeBytes(of: bytes) { body(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
    }
}

/// The payload of a close frame (RFC 6455 section 5.5.1).
package enum ClosePayload {
    /// A reason that does not fit is cut off between two characters. Empty for a code that may not be sent.
    package static func bytes(_ code: CloseCode, _ reason: String = "") -> [UInt8] {
        guard code.isSendable else { return [] }
        var bytes = [UInt8(code.rawValue >> 8), UInt8(truncatingIfNeeded: code.rawValue)]
        for scalar in reason.unicodeScalars {
            let encoded = UTF8.encode(scalar)
            guard let encoded, bytes.count + encoded.count <= FrameHeader.controlLimit else { break }
            bytes.append(contentsOf: encoded)
        }
        return bytes
    }

    /// - Returns: `.noStatus` for an empty payload.
    static func read(_ bytes: UnsafeRawBufferPointer) throws(Violation) -> (CloseCode, reason: String) {
        if bytes.isEmpty { return (.noStatus, "") }
        guard bytes.count >= 2 else { throw Violation(.protocolError, "a close frame with half a code") }
        let code = CloseCode(rawValue: UInt16(bytes[0]) << 8 | UInt16(bytes[1]))
        guard code.isSendable else { throw Violation(.protocolError, "a close code that may not be sent") }
        let reason = UnsafeRawBufferPointer(rebasing: bytes[2...])
        guard UTF8Check.isValid(reason) else { throw Violation(.invalidPayload, "a close reason is not UTF-8") }
        return (code, String(decoding: reason, as: UTF8.self))
    }
}

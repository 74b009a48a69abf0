// Bytes of a client to pieces of frames, unmasked where they stand. It checks each frame by itself; what frames make of
// a message is for `MessageDecoder`. No I/O, no clock, and no memory but a head that has come in part.

package struct FrameDecoder: Sendable {
    package enum Event: Equatable {
        case needMoreData
        /// Bytes of a frame's payload, where they are in the buffer; none for a frame without payload.
        case piece(FrameHeader, Range<Int>, endsFrame: Bool)
    }

    private let mayBeCompressed: Bool
    private var head = InlineArray<14, UInt8>(repeating: 0)
    private var headCount = 0
    private var header = FrameHeader(isFinal: true, isCompressed: false, opcode: .continuation, count: 0)
    private var key: UInt32 = 0
    /// Bytes of the payload that have come; nil between two frames.
    private var position: UInt64?

    /// - Parameter mayBeCompressed: permessage-deflate was agreed upon.
    package init(mayBeCompressed: Bool = false) { self.mayBeCompressed = mayBeCompressed }

    /// A frame has begun and not ended.
    package var isInsideFrame: Bool { position != nil || headCount > 0 }

    /// Reads on at `offset` and moves it behind what was used. Call again until it needs more data. After an error the
    /// rest is not to be read.
    package mutating func next(
        _ bytes: UnsafeMutableRawBufferPointer, from offset: inout Int
    ) throws(Violation) -> Event {
        if position == nil {
            guard try readHead(UnsafeRawBufferPointer(bytes), &offset) else { return .needMoreData }
            position = header.count == 0 ? nil : 0
            // What the head says may be refused before the payload comes.
            if offset == bytes.count || header.count == 0 {
                return .piece(header, offset..<offset, endsFrame: header.count == 0)
            }
        }
        guard offset < bytes.count, let position else { return .needMoreData }
        let count = Int(min(header.count - position, UInt64(bytes.count - offset)))
        let range = offset..<offset + count
        Mask.apply(key, from: position, to: UnsafeMutableRawBufferPointer(rebasing: bytes[range]))
        offset += count
        let isEnd = position + UInt64(count) == header.count
        self.position = isEnd ? nil : position + UInt64(count)
        return .piece(header, range, endsFrame: isEnd)
    }

    /// Returns true when the head is complete.
    private mutating func readHead(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) throws(Violation) -> Bool {
        // Usually it stands in one piece.
        if headCount == 0, bytes.count - offset >= 2 {
            let length = FrameHeader.length(second: bytes[offset + 1])
            if bytes.count - offset >= length {
                let whole = UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + length])
                (header, key) = try FrameHeader.read(whole, mayBeCompressed: mayBeCompressed)
                offset += length
                return true
            }
        }
        while offset < bytes.count {
            head[headCount] = bytes[offset]
            headCount += 1
            offset += 1
            guard headCount >= 2 else { continue }
            let length = FrameHeader.length(second: head[1])
            guard headCount == length else { continue }
            headCount = 0
            let whole = head
            (header, key) = try Self.read(whole, length, mayBeCompressed)
            return true
        }
        return false
    }

    private static func read(
        _ bytes: InlineArray<14, UInt8>, _ length: Int, _ mayBeCompressed: Bool
    ) throws(Violation) -> (FrameHeader, key: UInt32) {
        try withUnsafeBytes(of: bytes) { bytes throws(Violation) in
            try FrameHeader.read(UnsafeRawBufferPointer(rebasing: bytes[..<length]), mayBeCompressed: mayBeCompressed)
        }
    }
}

/// RFC 6455 section 5.3.
package enum Mask {
    /// - Parameters:
    ///   - key: four bytes as they stand in memory.
    ///   - position: of the first byte within the payload.
    package static func apply(_ key: UInt32, from position: UInt64, to bytes: UnsafeMutableRawBufferPointer) {
        // On a machine whose lowest byte comes first, a key that begins later is one that is turned to the right.
        let turn = UInt32(truncatingIfNeeded: position & 3) * 8
        let turned = UInt32(littleEndian: key)
        let word = turn == 0 ? turned : turned >> turn | turned << (32 - turn)
        let double = (UInt64(word) << 32 | UInt64(word)).littleEndian
        var index = 0
        while index + 8 <= bytes.count {
            let value = bytes.loadUnaligned(fromByteOffset: index, as: UInt64.self)
            bytes.storeBytes(of: value ^ double, toByteOffset: index, as: UInt64.self)
            index += 8
        }
        var rest = word
        while index < bytes.count {
            bytes[index] ^= UInt8(truncatingIfNeeded: rest)
            rest = rest >> 8 | rest << 24
            index += 1
        }
    }
}

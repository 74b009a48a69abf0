// Compressed payloads to bytes (RFC 7692 section 7.2.2), in steps of a size that is chosen here and not by the client.

import CZlib

final class Inflater {
    private let stream: UnsafeMutablePointer<z_stream>
    private var isBetweenBlocks = true
    /// The bytes are not DEFLATE's, from those on that have been inflated.
    private(set) var isBroken = false

    /// The largest window: it serves every client. zlib gets the memory for it when there is something to remember.
    private static let windowBits: Int32 = 15

    /// Nil when there is no memory.
    init?() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard evg_inflate_init(stream, Self.windowBits) == Z_OK else { return nil }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// - Parameter window: what the message may refer back to.
    func begin(_ window: [UInt8]) {
        inflateReset(stream)
        isBetweenBlocks = true
        isBroken = false
        if !window.isEmpty { inflateSetDictionary(stream, window, UInt32(window.count)) }
    }

    /// Inflates until the input is used or the room is full, and returns the bytes that are in the room. When it is
    /// full there may be more, even without input.
    func inflate(_ input: inout UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int {
        guard !isBroken else { return 0 }
        let given = min(input.count, Int(Int32.max))
        // zlib reads from there only.
        stream.pointee.next_in = input.baseAddress.map {
            UnsafeMutablePointer(mutating: $0.assumingMemoryBound(to: UInt8.self))
        }
        stream.pointee.avail_in = UInt32(given)
        stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(room.count)
        repeat {
            let result = CZlib.inflate(stream, Z_SYNC_FLUSH)
            switch result {
            case Z_OK:
                isBetweenBlocks = stream.pointee.data_type & 128 != 0
            case Z_BUF_ERROR:
                break
            case Z_STREAM_END:
                // The last block of a stream, and not of the message (section 7.2.3.4): another stream may follow, with
                // the same window.
                isBetweenBlocks = true
                inflateResetKeep(stream)
            default:
                isBroken = true
            }
            if isBroken || result == Z_BUF_ERROR { break }
        } while stream.pointee.avail_in > 0 && stream.pointee.avail_out > 0
        input = UnsafeRawBufferPointer(rebasing: input[(given - Int(stream.pointee.avail_in))...])
        return room.count - Int(stream.pointee.avail_out)
    }

    /// A message may end here: what is missing is the length of an empty block, which the sender has left out, or
    /// nothing at all.
    var mayEnd: Bool { !isBroken && (isBetweenBlocks || inflateSyncPoint(stream) == 1) }

    /// The last bytes that have been inflated, `count` at most, by way of a room of 32 KB.
    func window(_ count: Int, by room: UnsafeMutableRawBufferPointer) -> [UInt8] {
        var length: UInt32 = 0
        guard room.count >= 1 << Self.windowBits,
            inflateGetDictionary(stream, room.baseAddress?.assumingMemoryBound(to: UInt8.self), &length) == Z_OK
        else { return [] }
        return Array(room[..<Int(length)].suffix(count))
    }
}

/// The inflaters of a worker, of 40 KB each. Usually it has one, lent to whatever message stands whole in what was
/// read; one that has come in part keeps its own until its end.
package final class Inflaters {
    private var spare: [Inflater] = []
    private static let mostSpare = 4

    /// Where bytes are inflated to, for the length of one call.
    let room = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 15, alignment: 16)

    package init() {}

    deinit { room.deallocate() }

    func lend() -> Inflater? { spare.popLast() ?? Inflater() }

    func giveBack(_ inflater: Inflater) {
        if spare.count < Self.mostSpare { spare.append(inflater) }
    }
}

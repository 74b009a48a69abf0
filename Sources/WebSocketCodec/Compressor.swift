// A message to its compressed payload (RFC 7692 section 7.2.1).

import CZlib
import Glibc

package final class Compressor {
    private let stream: UnsafeMutablePointer<z_stream>
    private let keepsContext: Bool

    /// Shorter messages cost more time than they save on the way: 200 bytes of JSON shrink by a quarter in 10 µs.
    package static let threshold = 256
    /// Those that may refer to earlier messages shrink much more: 56 bytes of JSON to 18.
    package static let thresholdInContext = 32

    /// Level 6 takes three times as long for large messages, and makes a fifth of JSON a sixth.
    private static let level: Int32 = 1
    /// 16 KB for hashes and 8 KB for what waits. To clear 64 KB for each message, as with zlib's 8, takes longer than
    /// to compress a short one.
    private static let memoryLevel: Int32 = 5

    /// - Parameter keepsContext: a message may refer to those before. They must all go to the same client, in order.
    /// - Returns: nil when there is no memory.
    package init?(windowBits: Int, keepsContext: Bool) {
        self.keepsContext = keepsContext
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        guard !keepsContext || CompressorMemory.attach(to: stream) else { return nil }
        // zlib has no raw stream with a window of 8 bits. In one of 9 it refers back by at most 512 - 262 bytes, which
        // is what a window of 8 bits holds.
        guard evg_deflate_init(stream, Self.level, Int32(max(windowBits, 9)), Self.memoryLevel) == Z_OK else {
            return nil
        }
    }

    deinit {
        deflateEnd(stream)
        if keepsContext { CompressorMemory.detach(from: stream) }
        stream.deallocate()
    }

    /// Calls with the payload of a compressed frame, or with nil: the message gets no smaller, and goes out as it is.
    package func withCompressed<Result>(
        _ bytes: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer?) -> Result
    ) -> Result {
        // The four bytes at the end are left out.
        withUnsafeTemporaryAllocation(byteCount: bytes.count + 3, alignment: 1) { room in
            body(compress(bytes, into: room).map { UnsafeRawBufferPointer(rebasing: room[..<$0]) })
        }
    }

    private func compress(_ bytes: UnsafeRawBufferPointer, into room: UnsafeMutableRawBufferPointer) -> Int? {
        guard let start = bytes.baseAddress, bytes.count <= Int32.max - 3 else { return nil }
        if !keepsContext { deflateReset(stream) }
        // zlib reads from there only.
        stream.pointee.next_in = UnsafeMutablePointer(mutating: start.assumingMemoryBound(to: UInt8.self))
        stream.pointee.avail_in = UInt32(bytes.count)
        stream.pointee.next_out = room.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(room.count)
        let result = deflate(stream, Z_SYNC_FLUSH)
        let count = room.count - Int(stream.pointee.avail_out) - 4
        guard result == Z_OK, stream.pointee.avail_out > 0, count > 0,
            room.loadUnaligned(fromByteOffset: count, as: UInt32.self) == UInt32(bigEndian: 0x0000_ffff)
        else {
            // The client will never see what this message has left in the context.
            deflateReset(stream)
            return nil
        }
        return count
    }
}

/// The compressors of a worker for messages that refer to no earlier ones. So one payload may go to many clients.
package final class Compressors {
    /// By the bits of their windows, made when first used.
    private var compressors = [Compressor?](repeating: nil, count: 16)
    /// An app that has one message for many clients sends it to one after the other.
    private var last = (bits: 0, message: [UInt8](), payload: [UInt8]?.none)
    private static let mostRemembered = 65_536

    package init() {}

    /// Calls with the payload of a compressed frame, or with nil where the message goes out as it is.
    ///
    /// - Parameter windowBits: the smallest `DeflateAgreement.serverWindowBits` of those who will get it.
    package func withCompressed<Result>(
        _ bytes: UnsafeRawBufferPointer, windowBits: Int = 15, _ body: (UnsafeRawBufferPointer?) -> Result
    ) -> Result {
        guard bytes.count >= Compressor.threshold else { return body(nil) }
        // A message refers to nothing before its own beginning.
        let bits = bytes.count <= 1 << windowBits ? 15 : windowBits
        guard let compressor = compressors[bits] ?? Compressor(windowBits: bits, keepsContext: false) else {
            return body(nil)
        }
        compressors[bits] = compressor
        guard bytes.count <= Self.mostRemembered else { return compressor.withCompressed(bytes, body) }
        if last.bits != bits || !isLast(bytes) {
            last.payload = compressor.withCompressed(bytes) { $0.map { [UInt8]($0) } }
            last.bits = bits
            last.message.removeAll(keepingCapacity: true)
            last.message.append(contentsOf: bytes)
        }
        guard let payload = last.payload else { return body(nil) }
        return payload.withUnsafeBytes(body)
    }

    private func isLast(_ bytes: UnsafeRawBufferPointer) -> Bool {
        last.message.withUnsafeBytes { message in
            guard message.count == bytes.count, let one = message.baseAddress, let other = bytes.baseAddress else {
                return false
            }
            return memcmp(one, other, bytes.count) == 0
        }
    }

    /// As `withCompressed`, for a payload that is kept.
    package func compress(_ bytes: UnsafeRawBufferPointer, windowBits: Int = 15) -> [UInt8]? {
        withCompressed(bytes, windowBits: windowBits) { $0.map(Array.init) }
    }
}

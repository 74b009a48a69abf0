// One packet of a SOCK_SEQPACKET with its descriptors, at once or not at all. Whoever keeps an outbox, or waits, does
// so elsewhere.

import CEvLoop
import Glibc

package enum Packet {
    /// The most descriptors that ride with one packet of ``send(_:_:descriptors:)``.
    package static let mostDescriptors = 128

    /// What has become of a packet that was to be sent.
    package enum Sent: Equatable, Sendable {
        case taken
        /// The receiver's queue is full, or too many descriptors are on their way: later it may be taken.
        case full
        case failed(Int32)
    }

    /// - Parameter descriptors: at most ``mostDescriptors``. The receiver gets copies, and the caller keeps these.
    package static func send(_ fileDescriptor: Int32, _ bytes: [UInt8], descriptors: [Int32] = []) -> Sent {
        let result = evg_packet_send_all(fileDescriptor, bytes, bytes.count, descriptors, descriptors.count)
        guard result < 0 else { return .taken }
        let number = Int32(clamping: -result)
        return [EAGAIN, ENOBUFS, ENOMEM, ETOOMANYREFS].contains(number) ? .full : .failed(number)
    }

    /// Receives one packet.
    ///
    /// - Parameter descriptors: those that have come with it, which are the caller's from then on. Fewer than were sent
    ///   where this process may open no more files.
    /// - Returns: the bytes; 0 at the end; -errno.
    package static func receive(
        _ fileDescriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, descriptors: inout [Int32]
    ) -> Int {
        var count = 0
        var wasCut: Int32 = 0
        var result = 0
        descriptors = [Int32](unsafeUninitializedCapacity: Int(EVG_PACKET_RIGHTS)) { room, initialized in
            result = evg_packet_receive_all(
                fileDescriptor, buffer.baseAddress, buffer.count, room.baseAddress, &count, &wasCut)
            initialized = count
        }
        return result
    }
}

// One packet of a mailbox, sent or received without waiting. What a failure means is decided here, once.

import CEvLoop
import EvLoop
import Glibc

enum Mailbox {
    enum Sending: Equatable {
        case sent
        /// There is no room now; the socket tells when there is.
        case isFull
        /// Too many descriptors are on their way between processes, or memory is short; nobody tells when it gets
        /// better.
        case isBusy
        /// Nobody will ever read it.
        case isGone
    }

    enum Reception: Equatable {
        /// - Parameter isCut: this process may open no more, and descriptors have been lost.
        case packet(count: Int, isCut: Bool)
        case nothing
        case end
    }

    /// The most descriptors that one packet brings.
    static let mostRights = Int(EVG_PACKET_RIGHTS)

    static func send(_ bytes: [UInt8], rights: [Int32] = [], to socket: Int32) -> Sending {
        let result = bytes.withUnsafeBytes {
            evg_packet_send_all(socket, $0.baseAddress, $0.count, rights, rights.count)
        }
        switch Int32(clamping: -result) {
        case ..<1: return .sent
        case EAGAIN: return .isFull
        case ETOOMANYREFS, ENOBUFS, ENOMEM: return .isBusy
        default: return .isGone
        }
    }

    /// - Parameter rights: becomes the descriptors that have come, which are the caller's then.
    static func receive(
        from socket: Int32, _ buffer: UnsafeMutableRawBufferPointer, _ rights: inout [Int32]
    ) -> Reception {
        if !rights.isEmpty { rights.removeAll(keepingCapacity: true) }
        return withUnsafeTemporaryAllocation(of: Int32.self, capacity: mostRights) { passed in
            while true {
                var passedCount = 0
                var isCut: Int32 = 0
                let count = evg_packet_receive_all(
                    socket, buffer.baseAddress, buffer.count, passed.baseAddress, &passedCount, &isCut)
                if count == -Int(EAGAIN) { return .nothing }
                // It is not one of ours, and has been thrown away.
                if count == -Int(EMSGSIZE) { continue }
                guard count > 0 else { return .end }
                for index in 0..<passedCount { rights.append(passed[index]) }
                return .packet(count: count, isCut: isCut != 0)
            }
        }
    }
}

/// A file in memory with the payload of one message, for all receivers; closed with the last that holds it.
final class SharedFile {
    let descriptor: Int32

    init?(_ bytes: UnsafeRawBufferPointer) {
        descriptor = evg_packet_file(bytes.baseAddress, bytes.count)
        guard descriptor >= 0 else { return nil }
    }

    deinit { if descriptor >= 0 { Socket.close(descriptor) } }

    /// Reads such a file; nil if it does not hold as many bytes.
    static func read(_ descriptor: Int32, count: Int) -> [UInt8]? {
        var isWhole = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            isWhole = evg_packet_file_read(descriptor, buffer.baseAddress, count) == 0
            filled = isWhole ? count : 0
        }
        return isWhole ? bytes : nil
    }
}

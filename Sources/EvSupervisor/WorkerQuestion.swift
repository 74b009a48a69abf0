// What the admin process asks a worker, and the form of the answers: one packet for a question, and for an answer as
// many as it needs. Both are of one program and were forked from one process, so the form may change at any time.

package struct WorkerQuestion: Equatable, Sendable {
    package enum Subject: UInt8, Sendable {
        /// Every connection, as JSON.
        case connections = 0x43  // C
        /// What the code of each request does now, as JSON.
        case stacks = 0x53  // S
    }

    /// Chosen by the asker, who gets it back with the answer.
    package let number: UInt32
    package let subject: Subject

    package init(number: UInt32, subject: Subject) {
        self.number = number
        self.subject = subject
    }

    package var bytes: [UInt8] { number.littleEndianBytes + [subject.rawValue] }

    package init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count == 5, let subject = Subject(rawValue: bytes[4]) else { return nil }
        self.init(number: UInt32(littleEndianBytes: bytes), subject: subject)
    }
}

/// A part of an answer.
package struct WorkerAnswer: Equatable, Sendable {
    package let number: UInt32
    package let isLast: Bool
    package let bytes: [UInt8]

    package init?(_ packet: UnsafeRawBufferPointer) {
        guard packet.count >= 5 else { return nil }
        number = UInt32(littleEndianBytes: packet)
        isLast = packet[4] == 1
        bytes = Array(packet[5...])
    }

    private static let largestPart = 16_384

    /// The packets of an answer, or of a part of it.
    package static func packets(number: UInt32, _ bytes: [UInt8], isLast: Bool = true) -> [[UInt8]] {
        var packets: [[UInt8]] = []
        var rest = bytes[...]
        repeat {
            let part = rest.prefix(largestPart)
            rest = rest.dropFirst(part.count)
            packets.append(number.littleEndianBytes + [rest.isEmpty && isLast ? 1 : 0] + part)
        } while !rest.isEmpty
        return packets
    }
}

extension UInt32 {
    fileprivate var littleEndianBytes: [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: self >> (8 * UInt32($0))) } }

    /// Of the first four bytes.
    fileprivate init(littleEndianBytes bytes: UnsafeRawBufferPointer) {
        self = (0..<4).reduce(0) { $0 | UInt32(bytes[$1]) << (8 * UInt32($1)) }
    }
}

// What goes over the bus, as its users see it.

package import EvLoop

package struct BusMessage: Sendable {
    package let channel: [UInt8]
    package let payload: [UInt8]
    package let sender: BusSender
    /// Among all that the sender has published on any channel; a receiver does not get all of these.
    package let sequence: UInt64
}

/// Gets the messages of the channels that it subscribes to, in the order in which each sender has published them.
@LoopActor
package protocol BusSubscriber: AnyObject {
    func received(_ message: BusMessage)
}

/// Messages were lost, of channels that nobody knows any more: a receiver that was too slow, or a server that was cut
/// off from the others.
package struct BusGap: Equatable, Sendable {
    package enum Source: Equatable, Sendable {
        case process(BusSender)
        /// Other servers.
        case elsewhere
    }

    package let source: Source
    /// Nil where nobody knows.
    package let count: Int?
}

/// What one process sends to another one beside messages: bytes, and descriptors, which belong to the receiver.
package struct BusParcel {
    package let bytes: [UInt8]
    package let descriptors: [Int32]
    package let sender: BusSender
    /// There was no room for all descriptors in this process, and some are lost.
    package let isCut: Bool
}

/// How far a process has read what others have published: of each sender the last message that it has handled.
package struct BusPosition: Equatable, Sendable {
    private struct Entry: Equatable {
        var age: UInt32 = 0
        var sequence: UInt64 = 0
    }

    /// By the place of the sender.
    private var entries: [Entry] = []

    package init() {}

    mutating func advance(_ sender: BusSender, to sequence: UInt64) {
        let place = Int(sender.place)
        while entries.count <= place { entries.append(Entry()) }
        entries[place] = Entry(age: sender.age, sequence: sequence)
    }

    /// Whether this message has been handled at this position.
    package func includes(_ message: BusMessage) -> Bool {
        let place = Int(message.sender.place)
        guard place < entries.count else { return false }
        let entry = entries[place]
        return entry.age > message.sender.age
            || entry.age == message.sender.age && entry.sequence >= message.sequence
    }

    // MARK: to another process

    package init?(_ bytes: some Collection<UInt8>) {
        let bytes = Array(bytes)
        guard bytes.count % 14 == 0 else { return nil }
        bytes.withUnsafeBytes { bytes in
            for start in stride(from: 0, to: bytes.count, by: 14) {
                let sender = BusSender(
                    place: bytes.loadUnaligned(fromByteOffset: start, as: UInt16.self),
                    age: bytes.loadUnaligned(fromByteOffset: start + 2, as: UInt32.self))
                advance(sender, to: bytes.loadUnaligned(fromByteOffset: start + 6, as: UInt64.self))
            }
        }
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        for (place, entry) in entries.enumerated() where entry.age != 0 {
            withUnsafeBytes(of: UInt16(truncatingIfNeeded: place)) { bytes.append(contentsOf: $0) }
            withUnsafeBytes(of: entry.age) { bytes.append(contentsOf: $0) }
            withUnsafeBytes(of: entry.sequence) { bytes.append(contentsOf: $0) }
        }
        return bytes
    }
}

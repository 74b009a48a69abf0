// The form of packets between processes: a header, then messages or the bytes of a parcel. Both ends are forked from
// one program, so numbers stand as the machine has them. Lengths are checked all the same.

/// A process that sends: its place, and its ordinal among those that have had places.
package struct BusSender: Hashable, Sendable {
    package let place: UInt16
    package let age: UInt32

    package init(place: UInt16, age: UInt32) {
        self.place = place
        self.age = age
    }
}

struct PacketHeader: Equatable {
    enum Kind: UInt8 {
        /// `count` messages.
        case messages = 1
        /// One message, whose payload of `value` bytes is in a file.
        case large
        /// As many bytes of large messages as `value` says have been read.
        case read
        /// A parcel. `value` is the length of its bytes if they are in a file, which is the first descriptor then.
        case parcel
        /// Wants an answer to the number `value`, behind all that has been sent before.
        case flush
        /// The same, and a journal is to be kept from now on.
        case beginJournal
        case answer
        /// The journal that the sender has asked for is needed no more.
        case endJournal
        /// From the master: the sender has ended, and `value` messages may have been lost with it.
        case left
        /// Messages from elsewhere have been lost, as many as `value` says; 0: nobody knows how many.
        case gap
    }

    static let size = 32

    var kind: Kind
    var sender: BusSender
    /// Whom it is for; a successor throws it away, unless it is a parcel.
    var targetAge: UInt32 = 0
    /// How many messages were dropped before this packet.
    var lost: UInt32 = 0
    var count: UInt32 = 0
    var value: UInt64 = 0

    init(_ kind: Kind, from sender: BusSender) {
        self.kind = kind
        self.sender = sender
    }

    /// Nil if this is no packet.
    init?(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count >= Self.size, let kind = Kind(rawValue: bytes[0]) else { return nil }
        self.kind = kind
        sender = BusSender(
            place: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self),
            age: bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        targetAge = bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)
        lost = bytes.loadUnaligned(fromByteOffset: 12, as: UInt32.self)
        count = bytes.loadUnaligned(fromByteOffset: 16, as: UInt32.self)
        value = bytes.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    }

    /// Writes itself over the first bytes.
    func write(to bytes: inout [UInt8]) {
        guard bytes.count >= Self.size else { return }
        bytes.withUnsafeMutableBytes { bytes in
            bytes[0] = kind.rawValue
            bytes[1] = 0
            bytes.storeBytes(of: sender.place, toByteOffset: 2, as: UInt16.self)
            bytes.storeBytes(of: sender.age, toByteOffset: 4, as: UInt32.self)
            bytes.storeBytes(of: targetAge, toByteOffset: 8, as: UInt32.self)
            bytes.storeBytes(of: lost, toByteOffset: 12, as: UInt32.self)
            bytes.storeBytes(of: count, toByteOffset: 16, as: UInt32.self)
            bytes.storeBytes(of: UInt32(0), toByteOffset: 20, as: UInt32.self)
            bytes.storeBytes(of: value, toByteOffset: 24, as: UInt64.self)
        }
    }

    /// A packet with nothing behind the header.
    var bytes: [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Self.size)
        write(to: &bytes)
        return bytes
    }
}

/// A message as it stands in a packet.
struct PackedMessage {
    static let headSize = 24

    let hash: UInt64
    let sequence: UInt64
    let channel: UnsafeRawBufferPointer
    let payload: UnsafeRawBufferPointer

    /// How many bytes it takes.
    static func size(channel: Int, payload: Int) -> Int { headSize + channel + payload }

    /// Takes the first message of `bytes`, and cuts it off; nil if there is no whole one.
    static func take(from bytes: inout UnsafeRawBufferPointer) -> PackedMessage? {
        guard bytes.count >= headSize else { return nil }
        let channelCount = Int(bytes.loadUnaligned(fromByteOffset: 0, as: UInt32.self))
        let payloadCount = Int(bytes.loadUnaligned(fromByteOffset: 4, as: UInt32.self))
        guard bytes.count - headSize >= channelCount, bytes.count - headSize - channelCount >= payloadCount else {
            return nil
        }
        let end = headSize + channelCount + payloadCount
        let message = PackedMessage(
            hash: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self),
            sequence: bytes.loadUnaligned(fromByteOffset: 16, as: UInt64.self),
            channel: UnsafeRawBufferPointer(rebasing: bytes[headSize..<headSize + channelCount]),
            payload: UnsafeRawBufferPointer(rebasing: bytes[headSize + channelCount..<end]))
        bytes = UnsafeRawBufferPointer(rebasing: bytes[end...])
        return message
    }

    func append(to bytes: inout [UInt8]) {
        var head: (UInt32, UInt32, UInt64, UInt64) = (
            UInt32(truncatingIfNeeded: channel.count), UInt32(truncatingIfNeeded: payload.count), hash, sequence
        )
        withUnsafeBytes(of: &head) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: channel)
        bytes.append(contentsOf: payload)
    }
}

// A connection as a value, on its way to another process of this server: what that one needs beside the descriptor.
// Law: any bytes may be read; what is not exactly a parcel is none.

package import EvLoop

package struct Parcel: Equatable, Sendable {
    package enum Kind: UInt8, CaseIterable, Sendable {
        /// Nothing has come yet: the first stage of its listener begins.
        case fresh = 1
        /// Between two requests.
        case idle
        /// `bytes` are read first, as if they had just come.
        case request
        /// An answer is due by what is published; `state` says which.
        case hold
    }

    package var kind: Kind
    /// Of the socket that it was accepted from, as `ListeningSocket.text`.
    package var listener: [UInt8]
    package var peer: PeerAddress
    /// Where a proxy's client has connected to, if a PROXY header has said so.
    package var destination: PeerAddress?
    /// A request has been served on it already.
    package var hasServed = false
    /// Children of the process that gives it may have copies of the descriptor.
    package var hasCopies = false
    /// How often a request has been moved: bounded, so that none goes round for ever.
    package var hops: UInt8 = 0
    package var bytes: [UInt8] = []
    package var state: [UInt8] = []

    /// Whoever is asked to move a request more often than this serves it where it is, or refuses it.
    package static let mostHops: UInt8 = 16

    package init(
        _ kind: Kind, listener: [UInt8], peer: PeerAddress, destination: PeerAddress? = nil, bytes: [UInt8] = [],
        state: [UInt8] = []
    ) {
        self.kind = kind
        self.listener = listener
        self.peer = peer
        self.destination = destination
        self.bytes = bytes
        self.state = state
    }
}

// MARK: as bytes

extension Parcel {
    /// Little-endian: kind, flags, hops, the length of the listener's text and the text, the peer, the destination
    /// where there is one, and `bytes` and `state` with 32 bits of length before each.
    func write(to packet: inout [UInt8]) {
        let name = listener.prefix(Int(UInt8.max))
        let flags: UInt8 = (hasServed ? 1 : 0) | (destination == nil ? 0 : 2) | (hasCopies ? 4 : 0)
        packet += [kind.rawValue, flags, hops, UInt8(name.count)]
        packet += name
        peer.withBytes { packet.append(contentsOf: $0) }
        destination?.withBytes { packet.append(contentsOf: $0) }
        for part in [bytes, state] {
            packet.append(length: part.count)
            packet += part
        }
    }

    /// So many bytes are written at most.
    var size: Int { 12 + listener.count + 2 * PeerAddress.byteCount + bytes.count + state.count }

    init?(_ record: UnsafeRawBufferPointer) {
        var reader = ParcelReader(record)
        guard let kind = reader.byte().flatMap(Kind.init(rawValue:)), let flags = reader.byte(), flags < 8,
            let hops = reader.byte(), let count = reader.byte(), let listener = reader.bytes(Int(count)),
            let peer = reader.bytes(PeerAddress.byteCount)
        else { return nil }
        var destination: PeerAddress?
        if flags & 2 != 0 {
            guard let bytes = reader.bytes(PeerAddress.byteCount) else { return nil }
            destination = PeerAddress(bytes: bytes)
        }
        guard let bytes = reader.part(), let state = reader.part(), reader.isAtEnd else { return nil }
        self.init(
            kind, listener: Array(listener), peer: PeerAddress(bytes: peer), destination: destination,
            bytes: Array(bytes), state: Array(state))
        (self.hops, hasServed, hasCopies) = (hops, flags & 1 != 0, flags & 4 != 0)
    }
}

/// What is read from bytes whose lengths are not believed.
struct ParcelReader {
    private var rest: UnsafeRawBufferPointer
    init(_ bytes: UnsafeRawBufferPointer) { rest = bytes }

    var isAtEnd: Bool { rest.isEmpty }

    mutating func bytes(_ count: Int) -> UnsafeRawBufferPointer? {
        guard count >= 0, count <= rest.count else { return nil }
        defer { rest = UnsafeRawBufferPointer(rebasing: rest[count...]) }
        return UnsafeRawBufferPointer(rebasing: rest[..<count])
    }

    mutating func byte() -> UInt8? { bytes(1)?.first }

    mutating func length() -> Int? {
        bytes(4).map { Int(UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))) }
    }

    /// With its length before it.
    mutating func part() -> UnsafeRawBufferPointer? { length().flatMap { bytes($0) } }
}

extension [UInt8] {
    mutating func append(length: Int) {
        Swift.withUnsafeBytes(of: UInt32(clamping: length).littleEndian) { append(contentsOf: $0) }
    }
}

// Parcels as they travel: many in one packet of the bus, each with its descriptor, in the same order. Before them
// stands how far the giver has read what others have published.

import EvBus
import EvLoop

struct ParcelPacket {
    /// Of records in a packet that many share. A record that is longer has a packet of its own.
    static let room = 30_000
    /// Connections of one packet.
    static let most = 128
    private static let longest = Bus.largestPayload - 1024

    private(set) var bytes: [UInt8] = []
    /// In the order of the parcels.
    private(set) var descriptors: [Int32] = []

    init(_ position: BusPosition = BusPosition()) {
        let position = position.bytes
        bytes.append(length: position.count)
        bytes += position
    }

    var isEmpty: Bool { descriptors.isEmpty }
    var isFull: Bool { descriptors.count == Self.most || bytes.count >= Self.room && !isEmpty }

    /// Whether the parcel goes with this packet. An empty one takes every parcel that can go at all.
    mutating func add(_ parcel: Parcel, _ descriptor: Int32) -> Bool {
        guard !isFull, parcel.size <= Self.longest, isEmpty || bytes.count + parcel.size + 4 <= Self.room else {
            return false
        }
        let start = bytes.count
        bytes.append(length: 0)
        parcel.write(to: &bytes)
        let count = UInt32(clamping: bytes.count - start - 4).littleEndian
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: count, toByteOffset: start, as: UInt32.self) }
        descriptors.append(descriptor)
        return true
    }

    // MARK: the other end

    /// Calls for each parcel with its descriptor, which is the callee's from then on. Closes the descriptors for which
    /// there is no parcel.
    ///
    /// - Returns: parcels whose descriptors have not come, because this process may open no more files.
    static func read(
        _ bytes: UnsafeRawBufferPointer, descriptors: [Int32], _ body: (Parcel, Int32, BusPosition) -> Void
    ) -> Int {
        var reader = ParcelReader(bytes)
        let position = reader.part().flatMap { BusPosition($0) } ?? BusPosition()
        var next = 0
        var lost = 0
        while let length = reader.length(), let record = reader.bytes(length), let parcel = Parcel(record) {
            guard next < descriptors.count else {
                lost += 1
                continue
            }
            next += 1
            body(parcel, descriptors[next - 1], position)
        }
        for descriptor in descriptors[next...] { Socket.close(descriptor) }
        return lost
    }
}

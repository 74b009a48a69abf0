// A connection as bytes between processes: whatever comes is read without a trap, and what is cut is none.

import EvLoop
import Glibc
import Testing

@testable import EvServer

@Suite struct ParcelTests {
    private static func peer(_ last: UInt8) -> PeerAddress {
        var address = SIMD16<UInt8>(repeating: 0)
        (address[0], address[3]) = (10, last)
        return PeerAddress(isIPv6: false, address: address, port: 4711)
    }

    private static var full: Parcel {
        var parcel = Parcel(
            .hold, listener: Array("127.0.0.1:8000".utf8), peer: peer(1), destination: peer(2),
            bytes: Array("GET /".utf8), state: [9, 8, 7])
        (parcel.hops, parcel.hasServed, parcel.hasCopies) = (3, true, true)
        return parcel
    }

    private static func bytes(of parcel: Parcel) -> [UInt8] {
        var bytes: [UInt8] = []
        parcel.write(to: &bytes)
        return bytes
    }

    private static func read(_ bytes: [UInt8]) -> Parcel? { bytes.withUnsafeBytes { Parcel($0) } }

    @Test func isReadAsItWasWritten() {
        #expect(Self.read(Self.bytes(of: Self.full)) == Self.full)
        for kind in Parcel.Kind.allCases {
            let parcel = Parcel(kind, listener: Array("unix:/run/app.sock".utf8), peer: PeerAddress())
            #expect(Self.read(Self.bytes(of: parcel)) == parcel)
            #expect(Self.bytes(of: parcel).count <= parcel.size)
        }
    }

    @Test func isNoneWhereItIsCutOrFollowed() {
        let whole = Self.bytes(of: Self.full)
        for count in 0..<whole.count { #expect(Self.read(Array(whole[..<count])) == nil, "\(count) bytes") }
        #expect(Self.read(whole + [0]) == nil)
    }

    @Test func anyBytesAreReadWithoutATrap() {
        let whole = Self.bytes(of: Self.full)
        for place in whole.indices {
            for value: UInt8 in [0, 1, 127, 128, 255] {
                var changed = whole
                changed[place] = value
                _ = Self.read(changed)
                _ = changed.withUnsafeBytes { ParcelPacket.read($0, descriptors: []) { _, _, _ in } }
            }
        }
    }

    // MARK: packets

    private static func open() -> Int32 { Glibc.open("/dev/null", O_RDONLY | O_CLOEXEC) }
    private static func isOpen(_ descriptor: Int32) -> Bool { fcntl(descriptor, F_GETFD) >= 0 }

    private static func read(
        _ packet: ParcelPacket, _ descriptors: [Int32]
    ) -> (parcels: [Parcel], descriptors: [Int32], lost: Int) {
        var parcels: [Parcel] = []
        var got: [Int32] = []
        let lost = packet.bytes.withUnsafeBytes { bytes in
            ParcelPacket.read(bytes, descriptors: descriptors) { parcel, descriptor, _ in
                parcels.append(parcel)
                got.append(descriptor)
            }
        }
        return (parcels, got, lost)
    }

    @Test func packetHoldsManyInOrderAndNoMore() {
        var packet = ParcelPacket()
        for number in 0..<ParcelPacket.most {
            var parcel = Self.full
            parcel.hops = UInt8(number)
            let isIn = packet.add(parcel, Int32(number))
            #expect(isIn)
        }
        let hasRoom = packet.add(Self.full, 500)
        #expect(packet.isFull && !hasRoom)
        let found = Self.read(packet, packet.descriptors)
        #expect(found.parcels.map(\.hops) == (0..<128).map { UInt8($0) })
        #expect(found.descriptors == (0..<128).map { Int32($0) })
        #expect(found.lost == 0)
    }

    @Test func longParcelHasAPacketOfItsOwn() {
        var parcel = Self.full
        parcel.bytes = (0..<200_000).map { UInt8(truncatingIfNeeded: $0) }
        var packet = ParcelPacket()
        let isIn = packet.add(parcel, 3)
        #expect(isIn && packet.isFull)
        #expect(Self.read(packet, [3]).parcels == [parcel])
    }

    @Test func longParcelIsNotPutBehindOthers() {
        var packet = ParcelPacket()
        _ = packet.add(Self.full, 3)
        var long = Self.full
        long.bytes = [UInt8](repeating: 1, count: ParcelPacket.room)
        let isIn = packet.add(long, 4)
        #expect(!isIn)
        #expect(Self.read(packet, packet.descriptors).parcels == [Self.full])
    }

    @Test func descriptorsThatHaveNotComeAreCountedAndThoseWithoutAParcelClosed() {
        var packet = ParcelPacket()
        for _ in 0..<3 { _ = packet.add(Self.full, 3) }
        let first = Self.open()
        let few = Self.read(packet, [first])
        #expect(few.descriptors == [first] && few.lost == 2)
        #expect(Self.isOpen(first))
        let many = (0..<5).map { _ in Self.open() }
        #expect(Self.read(packet, many).descriptors == Array(many[..<3]))
        #expect(many.map(Self.isOpen) == [true, true, true, false, false])
        for descriptor in [first] + many[..<3] { close(descriptor) }
        let lone = Self.open()
        #expect([1, 2, 3].withUnsafeBytes { ParcelPacket.read($0, descriptors: [lone]) { _, _, _ in } } == 0)
        #expect(!Self.isOpen(lone))
    }
}

// What the master makes for the messages of its server before it forks any process: a mailbox for each place, and one
// shared mapping that says who is there and which channels they want. Nobody waits for anybody here.
// The layout of the mapping is in evg_bus.h.

import CEvLoop
package import EvLoop
import Glibc

/// A place is a slot of the scoreboard, or that of the admin process.
package final class BusGround: Sendable {
    package let count: Int
    /// That of the admin process.
    package var adminPlace: Int { count - 1 }

    // Only atomics stand there, and it is unmapped when nobody can reach it any more.
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    private let size: Int
    /// Whoever sends to a place writes to this end; the process of the place reads the other one.
    private let sendingEnds: [Int32]
    private let readingEnds: [Int32]
    /// The place whose process this is; nil in the master, which keeps all ends for life.
    nonisolated(unsafe) private var ownPlace: Int?

    private static let headSize = 4096
    /// Bytes of packets that wait in the kernel for one process, as far as it allows that.
    private static let room: Int32 = 262_144
    private static let filterSize = Int(EVG_BUS_WORDS) * 8

    /// - Parameter slots: of the scoreboard.
    /// - Throws: when the process is out of descriptors or memory. Then there can be no messages between processes.
    package init(slots: Int) throws(SystemError) {
        count = max(slots, 1) + 1
        guard count <= Int(EVG_BUS_PLACES) else { throw SystemError("bus", errno: E2BIG) }
        var ends: [(Int32, Int32)] = []
        do throws(SystemError) {
            for _ in 0..<count { ends.append(try PacketSocket.pair()) }
        } catch {
            for (sending, reading) in ends {
                Socket.close(sending)
                Socket.close(reading)
            }
            throw error
        }
        for (sending, _) in ends { evg_packet_room(sending, Self.room) }
        (sendingEnds, readingEnds) = (ends.map(\.0), ends.map(\.1))
        size = Self.filtersStart(count) + count * Self.filterSize
        let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED else {
            let error = SystemError("mmap")
            for end in sendingEnds + readingEnds { Socket.close(end) }
            throw error
        }
        memory = mapped
        RandomBytes.fill(UnsafeMutableRawBufferPointer(start: mapped, count: 16))
    }

    deinit {
        munmap(memory, size)
        for end in sendingEnds { Socket.close(end) }
        for (place, end) in readingEnds.enumerated() where ownPlace == nil || ownPlace == place { Socket.close(end) }
    }

    /// How many descriptors the master has of it, and how many every other process.
    package static func descriptors(slots: Int) -> (master: Int, process: Int) { (2 * slots + 2, slots + 2) }

    // MARK: in the master

    /// Gives a place to a process that is about to be forked.
    package func begin(_ place: Int, age: UInt32) {
        evg_bus_clear(record(place), filter(place))
        evg_bus_set_waiting(record(place), 0)
        evg_bus_set_giving(record(place), 0)
        evg_bus_set_dropped(record(place), 0)
        evg_bus_set_age(record(place), age)
    }

    /// The process of this place has ended. What waits in its mailbox is for its successor, or for ``sweep(_:)``.
    package func end(_ place: Int) {
        let age = evg_bus_age(record(place))
        guard age != 0 else { return }
        let lost = evg_bus_waiting(record(place))
        evg_bus_set_live(head, place, 0)
        evg_bus_set_age(record(place), 0)
        evg_bus_set_giving(record(place), 0)
        evg_bus_mark(record(place), 0)
        evg_bus_clear(record(place), filter(place))
        // Whoever waits for an answer of it waits no more. One whose mailbox is full has a time limit, too.
        var notice = PacketHeader(.left, from: BusSender(place: UInt16(place), age: age))
        notice.value = lost
        forEachLive { other in
            notice.targetAge = self.age(of: other)
            _ = Mailbox.send(notice.bytes, to: sendingEnd(of: other))
        }
    }

    /// Throws away what waits for a place that nobody has, and closes the descriptors of it.
    package func sweep(_ place: Int) {
        guard age(of: place) == 0 else { return }
        withUnsafeTemporaryAllocation(byteCount: PacketSocket.largest, alignment: 8) { buffer in
            var rights: [Int32] = []
            while case .packet = Mailbox.receive(from: readingEnds[place], buffer, &rights) {
                for descriptor in rights { Socket.close(descriptor) }
            }
        }
    }

    // MARK: in a process

    /// To be called in a child, once: closes the ends that only others read.
    package func enter(_ place: Int) {
        guard ownPlace == nil else { return }
        ownPlace = place
        for (other, end) in readingEnds.enumerated() where other != place { Socket.close(end) }
    }

    func descriptors(of place: Int) -> [Int32] { sendingEnds + [readingEnds[place]] }
    func readingEnd(of place: Int) -> Int32 { readingEnds[place] }
    func sendingEnd(of place: Int) -> Int32 { sendingEnds[place] }

    // MARK: who is there

    /// 0 for a place that nobody has.
    package func age(of place: Int) -> UInt32 { evg_bus_age(record(place)) }

    /// Whether the process of this place reads its mailbox.
    package func isLive(_ place: Int) -> Bool {
        place >= 0 && place < count && evg_bus_live(head, place / 64) >> UInt64(place & 63) & 1 == 1
    }

    func setLive(_ place: Int, _ isLive: Bool) { evg_bus_set_live(head, place, isLive ? 1 : 0) }

    @inline(__always)
    func forEachLive(_ body: (Int) -> Void) {
        var start = 0
        while start < count {
            var bits = evg_bus_live(head, start / 64)
            while bits != 0 {
                body(start + bits.trailingZeroBitCount)
                bits &= bits - 1
            }
            start += 64
        }
    }

    /// Whether messages may be on their way out of this process.
    func isMarked(_ place: Int) -> Bool { evg_bus_marked(record(place)) != 0 }
    func mark(_ place: Int, _ isMarked: Bool) { evg_bus_mark(record(place), isMarked ? 1 : 0) }
    func setWaiting(_ place: Int, _ messages: Int) { evg_bus_set_waiting(record(place), UInt64(clamping: messages)) }

    /// Tells the others how many connections are on their way from this place.
    package func setGiving(_ place: Int, _ connections: Int) {
        evg_bus_set_giving(record(place), UInt32(clamping: connections))
    }

    /// Connections that are on their way from all other places.
    package func given(byOthersThan place: Int) -> Int {
        var sum = 0
        forEachLive { other in if other != place { sum += Int(evg_bus_giving(record(other))) } }
        return sum
    }

    func countDropped(_ messages: Int, for place: Int) {
        evg_bus_add_dropped(record(place), UInt64(clamping: messages))
    }
    /// How many messages were not sent to the process of this place, because it did not read.
    package func dropped(for place: Int) -> UInt64 {
        place >= 0 && place < count ? evg_bus_dropped(record(place)) : 0
    }

    /// For tests: there is a process that stands still.
    package func pretend(_ place: Int, isPublishing: Bool) {
        setLive(place, true)
        mark(place, isPublishing)
    }

    // MARK: filters

    static let buckets = Int(EVG_BUS_BUCKETS)

    func hash(_ channel: UnsafeRawBufferPointer) -> UInt64 { evg_bus_hash(head, channel.baseAddress, channel.count) }
    func wants(_ place: Int, _ bucket: UInt32) -> Bool { evg_bus_wants(filter(place), bucket) != 0 }
    func want(_ place: Int, _ bucket: UInt32) { evg_bus_want(record(place), filter(place), bucket) }
    func unwant(_ place: Int, _ bucket: UInt32) { evg_bus_unwant(filter(place), bucket) }
    func wantAll(_ place: Int) { evg_bus_want_all(record(place), filter(place)) }
    /// From now on, the heir gets what this place gets.
    func join(_ place: Int, to heir: Int) { evg_bus_join(record(heir), filter(heir), filter(place)) }
    func replaceFilter(_ place: Int, _ words: [UInt64]) {
        precondition(words.count == Int(EVG_BUS_WORDS))
        evg_bus_replace(filter(place), words)
    }

    // MARK: the layout

    private var head: UnsafeMutablePointer<evg_bus_head> { memory.assumingMemoryBound(to: evg_bus_head.self) }

    private func record(_ place: Int) -> UnsafeMutablePointer<evg_bus_place> {
        precondition(place >= 0 && place < count)
        return (memory + Self.headSize).assumingMemoryBound(to: evg_bus_place.self) + place
    }

    private func filter(_ place: Int) -> UnsafeMutablePointer<UInt64> {
        precondition(place >= 0 && place < count)
        return (memory + Self.filtersStart(count) + place * Self.filterSize).assumingMemoryBound(to: UInt64.self)
    }

    private static func filtersStart(_ count: Int) -> Int {
        headSize + (count * MemoryLayout<evg_bus_place>.stride + 4095) & ~4095
    }
}

/// A process's place on the bus.
package struct BusSeat: Sendable {
    package let ground: BusGround
    package let place: Int
    /// The process's ordinal among those that have had the place.
    package let age: UInt32

    package init(ground: BusGround, place: Int, age: UInt32) {
        self.ground = ground
        self.place = place
        self.age = age
    }

    /// What the process has open for messages.
    package var descriptors: [Int32] { ground.descriptors(of: place) }

    var sender: BusSender { BusSender(place: UInt16(clamping: place), age: age) }
}

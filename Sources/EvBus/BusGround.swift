// What the master makes for the messages of its server before it forks any process: a mailbox for each place, and one
// shared mapping that says who is there and which channels they want. Nobody waits for anybody here. There are places
// for two masters, so that the next one (USR2) joins the ground of the former, and their processes reach each other.
// The layout of the mapping is in evg_bus.h.

import CEvLoop
package import EvLoop
import Glibc

/// A place is a slot of the scoreboard, or that of the admin process.
package final class BusGround: Sendable {
    /// Of the form of all that goes between processes: the mapping, the scoreboard, packets, parcels, and what is held.
    /// To be raised with each change of any of these, because programs of different versions meet here.
    package static let layout = 1

    /// Places of all masters that it has room for.
    package let count: Int
    /// Slots of the scoreboard for which each master has places.
    package let slots: Int
    /// 0 or 1: which places are those of this master.
    package let side: Int
    /// That of slot 0.
    package var firstPlace: Int { side * (slots + 1) }
    /// That of the admin process.
    package var adminPlace: Int { firstPlace + slots }
    package var hasRoomForAnotherMaster: Bool { count > slots + 1 }
    /// Those of another master; the last one is that of its admin process.
    package var otherPlaces: Range<Int> {
        guard hasRoomForAnotherMaster else { return 0..<0 }
        let first = (1 - side) * (slots + 1)
        return first..<first + slots + 1
    }

    // Only atomics stand there.
    private let shared: SharedMemory
    private var memory: UnsafeMutableRawPointer { shared.start }
    /// Whoever sends to a place writes to this end; the process of the place reads the other one.
    private let sendingEnds: [Int32]
    private let readingEnds: [Int32]
    /// The place whose process this is; nil in the master, which keeps all ends for life.
    nonisolated(unsafe) private var ownPlace: Int?

    private static let headSize = 4096
    /// Bytes of packets that wait in the kernel for one process, as far as it allows that.
    private static let room: Int32 = 262_144
    private static let filterSize = Int(EVG_BUS_WORDS) * 8

    /// - Parameters:
    ///   - slots: of the scoreboard.
    ///   - masters: 1, or 2 where another one may join.
    /// - Throws: when the process is out of descriptors or memory. Then there can be no messages between processes.
    package init(slots: Int, masters: Int = 2) throws(SystemError) {
        self.slots = max(slots, 1)
        side = 0
        let fits = 2 * (self.slots + 1) <= Int(EVG_BUS_PLACES)
        count = (masters > 1 && fits ? 2 : 1) * (self.slots + 1)
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
        do throws(SystemError) {
            shared = try SharedMemory(size: Self.size(count))
        } catch {
            for end in sendingEnds + readingEnds { Socket.close(end) }
            throw error
        }
        RandomBytes.fill(UnsafeMutableRawBufferPointer(start: shared.start, count: 16))
    }

    /// In a master: joins the ground that the former one has passed on, on the other side of it. Takes the descriptors
    /// over, unless they are not of a ground: then it returns nil.
    ///
    /// - Parameters:
    ///   - file: of the mapping.
    ///   - ends: of all mailboxes, as in ``passed``.
    ///   - side: the former one's.
    package init?(joining file: Int32, ends: [Int32], side: Int) {
        let count = ends.count / 2
        guard ends.count % 4 == 0, count >= 4, count <= Int(EVG_BUS_PLACES), side == 0 || side == 1,
            let memory = SharedMemory(file: file, size: Self.size(count))
        else { return nil }
        shared = memory
        self.count = count
        slots = count / 2 - 1
        self.side = 1 - side
        sendingEnds = (0..<count).map { ends[2 * $0] }
        readingEnds = (0..<count).map { ends[2 * $0 + 1] }
    }

    deinit {
        for end in sendingEnds { Socket.close(end) }
        for (place, end) in readingEnds.enumerated() where ownPlace == nil || ownPlace == place { Socket.close(end) }
    }

    /// How many descriptors the master has of it, and how many every other process.
    package static func descriptors(slots: Int, masters: Int) -> (master: Int, process: Int) {
        (2 * masters * (slots + 1) + 1, masters * (slots + 1) + 1)
    }

    /// For how many masters there is room where a process may open so many files.
    package static func masters(slots: Int, limit: Int) -> Int {
        limit >= 4 * descriptors(slots: slots, masters: 2).process ? 2 : 1
    }

    // MARK: in the master

    /// What the next master needs to join: the file of the mapping, and the ends of each mailbox for sending and for
    /// reading. Nil where it cannot: there is no room, or processes of a master of before live still.
    package var passed: (file: Int32, ends: [Int32])? {
        guard hasRoomForAnotherMaster, shared.fileDescriptor >= 0, otherPlaces.allSatisfy({ age(of: $0) == 0 }) else {
            return nil
        }
        return (shared.fileDescriptor, zip(sendingEnds, readingEnds).flatMap { [$0, $1] })
    }

    /// Of a process that is about to be forked: the ordinal among all of all masters.
    package func nextAge() -> UInt32 { evg_bus_next_age(head) }

    /// Whether a process that has a place has ended, without a word to its master.
    package func hasEnded(_ place: Int) -> Bool {
        guard age(of: place) != 0 else { return false }
        let pid = evg_bus_pid(record(place))
        return pid <= 0 || ProcFile.hasEnded(pid)
    }

    /// Gives a place to a process that is about to be forked.
    package func begin(_ place: Int, age: UInt32) {
        evg_bus_set_pid(record(place), 0)
        evg_bus_clear_addresses(record(place))
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
        evg_bus_set_pid(record(place), getpid())
        shared.closeFile()
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

    /// The process of this place listens at an address.
    package func listens(_ place: Int, at address: [UInt8]) {
        evg_bus_add_address(record(place), address.withUnsafeBytes { hash($0) })
    }

    /// Whether it does. Nearly always false if not.
    package func isListening(_ place: Int, at address: [UInt8]) -> Bool {
        evg_bus_has_address(record(place), address.withUnsafeBytes { hash($0) }) != 0
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

    private static func size(_ count: Int) -> Int { filtersStart(count) + count * filterSize }

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

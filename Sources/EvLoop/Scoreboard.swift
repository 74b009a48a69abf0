// What workers tell the master, and each other: one slot per worker in one shared anonymous mapping.
// Every field is a relaxed atomic that one process writes, so no process waits. The layout is in evg_scoreboard.h.
import CEvLoop
import Glibc

/// One worker's record. A copy refers to the same record.
package struct ScoreboardSlot: Sendable {
    /// What the worker is doing: starting, serving, or finishing its last requests.
    package enum State: UInt32, Sendable {
        case empty, booting, ready, draining
        /// It will be told to finish soon, and serves until then.
        case leaving
    }

    // The pointer may be used in every isolation: the memory behind it holds only atomics, and it is never unmapped
    // while a slot can be reached.
    nonisolated(unsafe) private let record: UnsafeMutablePointer<evg_slot>

    fileprivate init(_ record: UnsafeMutablePointer<evg_slot>) {
        self.record = record
    }

    /// A slot of its own, for a worker that no master watches. It lives as long as the process.
    package static func local() -> ScoreboardSlot {
        let memory = UnsafeMutableRawPointer.allocate(byteCount: MemoryLayout<evg_slot>.size, alignment: 64)
        let record = memory.bindMemory(to: evg_slot.self, capacity: 1)
        record.initialize(to: evg_slot())
        return ScoreboardSlot(record)
    }

    /// The instant of the worker's last sign of life, in monotonic seconds (``EventLoop/monotonicNow()``).
    package var heartbeat: Double {
        get { evg_slot_heartbeat(record) }
        nonmutating set { evg_slot_set_heartbeat(record, newValue) }
    }

    package var state: State {
        get { State(rawValue: evg_slot_state(record)) ?? .empty }
        nonmutating set { evg_slot_set_state(record, newValue.rawValue) }
    }

    /// Whether the worker finishes its last requests, or soon will.
    package var isToLeave: Bool { state == .leaving || state == .draining }

    /// Connections held, whatever they do.
    package var open: UInt32 {
        get { evg_slot_open(record) }
        nonmutating set { evg_slot_set_open(record, newValue) }
    }

    /// Connections with a request in progress.
    package var active: UInt32 {
        get { evg_slot_active(record) }
        nonmutating set { evg_slot_set_active(record, newValue) }
    }

    /// Connections kept alive between two requests.
    package var idle: UInt32 {
        get { evg_slot_idle(record) }
        nonmutating set { evg_slot_set_idle(record, newValue) }
    }

    /// Requests begun since the worker started.
    package var requests: UInt64 {
        get { evg_slot_requests(record) }
        nonmutating set { evg_slot_set_requests(record, newValue) }
    }

    /// How many of those requests lost their client before the app was called.
    package var dropped: UInt32 {
        get { evg_slot_dropped(record) }
        nonmutating set { evg_slot_set_dropped(record, newValue) }
    }

    /// How busy the worker was in the last second, in percent; 100 when requests waited for their turn. Only where the
    /// number of workers follows the load.
    package var load: UInt32 {
        get { evg_slot_load(record) }
        nonmutating set { evg_slot_set_load(record, newValue) }
    }

    /// The worker's place among the workers, from 0. Its successor has the same.
    package var index: UInt32 {
        get { evg_slot_index(record) }
        nonmutating set { evg_slot_set_index(record, newValue) }
    }

    /// Whether the worker takes new connections at the moment.
    package var isAccepting: Bool {
        get { evg_slot_accepting(record) != 0 }
        nonmutating set { evg_slot_set_accepting(record, newValue ? 1 : 0) }
    }

    package var processIdentifier: Int32 {
        get { evg_slot_pid(record) }
        nonmutating set { evg_slot_set_pid(record, newValue) }
    }

    /// The worker's ordinal among all that this master has ever started, from 1.
    package var age: UInt32 {
        get { evg_slot_age(record) }
        nonmutating set { evg_slot_set_age(record, newValue) }
    }

    /// When the worker was forked, in monotonic seconds.
    package var startedAt: Double {
        get { evg_slot_started_at(record) }
        nonmutating set { evg_slot_set_started_at(record, newValue) }
    }

    /// Notes the request that the worker entered last.
    ///
    /// - Parameters:
    ///   - line: what to show of it, usually method and target; cut to 160 bytes.
    ///   - startedAt: monotonic seconds.
    package func setCurrentRequest(_ line: UnsafeRawBufferPointer, startedAt: Double) {
        evg_line_set(evg_slot_current(record), line.baseAddress, line.count, startedAt)
    }

    package func clearCurrentRequest() {
        evg_line_clear(evg_slot_current(record))
    }

    /// Notes the request that has run longest among those in progress; an empty line when there is none.
    package func setLongestRequest(_ line: UnsafeRawBufferPointer, startedAt: Double) {
        evg_line_set(evg_slot_longest(record), line.baseAddress, line.count, startedAt)
    }

    /// The line as received, repaired where it is not UTF-8; it may hold control characters.
    package var currentRequest: (line: String, startedAt: Double)? { Self.read(evg_slot_current(record)) }

    /// As ``currentRequest``, for the request that has run longest.
    package var longestRequest: (line: String, startedAt: Double)? { Self.read(evg_slot_longest(record)) }

    /// Empties the record for its next worker.
    package func reset() {
        evg_slot_reset(record)
    }

    private static func read(_ line: UnsafePointer<evg_line>?) -> (line: String, startedAt: Double)? {
        guard let line else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: Int(EVG_LINE_BYTES), alignment: 8) { bytes in
            var startedAt = 0.0
            let count = evg_line_get(line, bytes.baseAddress, &startedAt)
            guard count > 0 else { return nil }
            return (String(decoding: bytes[..<count], as: UTF8.self), startedAt)
        }
    }
}

/// The mapping with all slots; made by the master before it forks. There are as many again for another master, which
/// joins the mapping while both serve.
package final class Scoreboard: Sendable {
    package let count: Int
    /// Slots of each master in the mapping.
    private let room: Int
    /// 0 or 1: which slots are those of this master.
    private let side: Int
    private let memory: SharedMemory
    /// An eventfd for workers that leave connections to their siblings (`ExclusiveWatch`); negative if there is none.
    package let passing: Int32
    nonisolated(unsafe) private let records: UnsafeMutablePointer<evg_slot>

    /// Maps `capacity` empty slots, at least one. Pages that no worker writes to cost nothing.
    package init(capacity: Int) throws(SystemError) {
        count = max(capacity, 1)
        (room, side) = (count, 0)
        memory = try SharedMemory(size: Self.size(room))
        records = memory.start.bindMemory(to: evg_slot.self, capacity: 2 * room)
        passing = evg_eventfd()
    }

    /// Joins the scoreboard of another master, and empties the slots on the side that is not that one's. Takes the
    /// descriptor over, unless it returns nil.
    ///
    /// - Parameters:
    ///   - room: slots of each master.
    ///   - count: slots to be used, at most `room`.
    package init?(joining file: Int32, side: Int, room: Int, count: Int) {
        guard 1...max(1, room) ~= count, let memory = SharedMemory(file: file, size: Self.size(room)) else {
            return nil
        }
        (self.count, self.room, self.side, self.memory) = (count, room, 1 - side, memory)
        records = memory.start.bindMemory(to: evg_slot.self, capacity: 2 * room)
        passing = evg_eventfd()
        for index in 0..<room { ScoreboardSlot(records + self.side * room + index).reset() }
    }

    deinit { if passing >= 0 { close(passing) } }

    private static func size(_ room: Int) -> Int { 2 * room * MemoryLayout<evg_slot>.stride }

    /// For the next master; negative if there is none.
    package var fileDescriptor: Int32 { memory.fileDescriptor }
    /// In a process that executes no successor.
    package func closeFile() { memory.closeFile() }

    /// The slot at `index`, which must be below ``count``.
    package subscript(index: Int) -> ScoreboardSlot {
        precondition(index >= 0 && index < count)
        return ScoreboardSlot(records + side * room + index)
    }

    /// The slots of the other master, if there is one.
    package var others: [ScoreboardSlot] { (0..<room).map { ScoreboardSlot(records + (1 - side) * room + $0) } }
}

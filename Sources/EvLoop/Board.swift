// What processes of one server tell each other beyond the scoreboard: counters that outlive a worker, and texts of
// limited length. One shared anonymous mapping, made by the master before it forks; whoever writes never waits.
// The layout is in evg_board.h.
import CEvLoop
import Glibc

/// Numbers in shared memory. One process writes; what each index means is for it to say. A copy refers to the same.
package struct SharedCounters: Sendable {
    package static let count = Int(EVG_COUNTERS)

    // Only atomics stand there, and the memory is never unmapped while counters can be reached.
    nonisolated(unsafe) let numbers: UnsafeMutablePointer<evg_counters>

    init(_ numbers: UnsafeMutablePointer<evg_counters>) { self.numbers = numbers }

    package subscript(index: Int) -> UInt64 {
        get { evg_counter_get(numbers, index) }
        nonmutating set { evg_counter_set(numbers, index, newValue) }
    }

    package func add(_ number: UInt64, at index: Int) { evg_counter_add(numbers, index, number) }

    /// Adds all numbers of `other`.
    fileprivate func add(_ other: SharedCounters) {
        for index in 0..<Self.count { self[index] &+= other[index] }
    }

    fileprivate func reset() {
        for index in 0..<Self.count { self[index] = 0 }
    }
}

/// How a histogram stands among counters: a number for each bound, one for what is above all of them, and the sum in
/// nanoseconds.
package enum SharedHistogram {
    /// How many counters it takes.
    package static let count = Int(EVG_HISTOGRAM)
    /// Seconds.
    package static let bounds = (0..<Int(EVG_BOUNDS)).map { evg_bound($0) }
}

/// A text in shared memory. One process writes; others read the whole of it, old or new.
package struct SharedText: Sendable {
    /// In bytes, a multiple of 8.
    package let capacity: Int
    nonisolated(unsafe) private let record: UnsafeMutablePointer<evg_text>

    fileprivate init(_ memory: UnsafeMutableRawPointer, capacity: Int) {
        record = memory.assumingMemoryBound(to: evg_text.self)
        self.capacity = capacity
    }

    /// Writes the text, cut to the capacity.
    package func set(_ bytes: UnsafeRawBufferPointer) {
        evg_text_set(record, capacity, bytes.baseAddress, bytes.count)
    }

    package func set(_ bytes: [UInt8]) { bytes.withUnsafeBytes { set($0) } }

    package func clear() { set([]) }

    /// Nil if there is none, or if the writer was killed while it wrote.
    package var bytes: [UInt8]? {
        let bytes = [UInt8](unsafeUninitializedCapacity: capacity) { buffer, count in
            count = evg_text_get(record, capacity, buffer.baseAddress)
        }
        return bytes.isEmpty ? nil : bytes
    }
}

/// The pages of one worker.
package struct WorkerReport: Sendable {
    package let counters: SharedCounters
    /// Its connections, or the newest and the oldest of them, as of its last sign of life.
    package let connections: SharedText
    /// Why it could not load its app.
    package let failure: SharedText

    fileprivate static let connectionsSize = 16_384
    fileprivate static let failureSize = 8192
    /// A multiple of the page, so that a worker that does not exist costs nothing.
    fileprivate static let size = 28_672

    fileprivate init(_ memory: UnsafeMutableRawPointer) {
        counters = SharedCounters(memory.assumingMemoryBound(to: evg_counters.self))
        var offset = MemoryLayout<evg_counters>.size
        let head = MemoryLayout<evg_text>.size
        connections = SharedText(memory + offset, capacity: Self.connectionsSize)
        offset += head + Self.connectionsSize
        failure = SharedText(memory + offset, capacity: Self.failureSize)
        precondition(offset + head + Self.failureSize <= Self.size)
    }

    /// Empties the texts; the counters are for ``Board/collect(_:)``.
    package func clear() {
        connections.clear()
        failure.clear()
    }
}

/// All of it: a report for each slot of the scoreboard, what workers that have ended have counted, and the master.
package final class Board: Sendable {
    package let count: Int
    nonisolated(unsafe) private let memory: UnsafeMutableRawPointer
    private let size: Int
    /// Of the master.
    package let master: SharedCounters
    private let former: SharedCounters
    /// Changes while numbers move from a worker to `former`: odd meanwhile. In the master's words behind the two.
    private let moves: SharedCounters

    private static let heading = 3 * MemoryLayout<evg_counters>.size

    /// - Parameter capacity: slots of the scoreboard.
    package init(capacity: Int) throws(SystemError) {
        count = max(capacity, 1)
        let start = (Self.heading + 4095) & ~4095
        size = start + count * WorkerReport.size
        let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)
        guard let mapped, mapped != MAP_FAILED else { throw SystemError("mmap") }
        memory = mapped
        let counters = mapped.bindMemory(to: evg_counters.self, capacity: 3)
        master = SharedCounters(counters)
        former = SharedCounters(counters + 1)
        moves = SharedCounters(counters + 2)
    }

    deinit { munmap(memory, size) }

    /// The report at `slot`, which must be below ``count``.
    package subscript(slot: Int) -> WorkerReport {
        precondition(slot >= 0 && slot < count)
        return WorkerReport(memory + (size - count * WorkerReport.size) + slot * WorkerReport.size)
    }

    /// In the master: keeps what the worker of this slot has counted, and empties the slot's report. No other process
    /// may write to it then.
    package func collect(_ slot: Int) {
        let report = self[slot]
        moves[0] &+= 1
        former.add(report.counters)
        report.counters.reset()
        moves[0] &+= 1
        report.clear()
    }

    /// The sums over all workers that there have been, and the numbers of each slot, in one consistent reading.
    package func read() -> (former: [UInt64], slots: [[UInt64]]) {
        var reading: (former: [UInt64], slots: [[UInt64]]) = ([], [])
        // The master moves numbers when a worker ends, for some microseconds.
        for _ in 0..<1000 {
            let before = moves[0]
            guard before & 1 == 0 else { continue }
            reading = (former.all, (0..<count).map { self[$0].counters.all })
            if moves[0] == before { break }
        }
        return reading
    }
}

extension SharedCounters {
    /// A copy of all numbers.
    package var all: [UInt64] { (0..<Self.count).map { self[$0] } }
}

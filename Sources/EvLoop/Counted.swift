// Where a process counts what it does: one place for all of it, so that counting needs nobody's object. On the loop's
// thread alone. Where nobody reads the numbers, they stand in a page of the process's own.

import CEvLoop

package enum Counted {
    /// The numbers in use. To be set before the process serves.
    package static var counters: SharedCounters {
        get { SharedCounters(evg_counters_in_use()) }
        set { evg_count_in(newValue.numbers) }
    }

    package static func add(_ number: UInt64, at index: Int) { evg_count(index, number) }

    package static func add(at index: Int) { evg_count(index, 1) }

    /// Of a number that says how much there is.
    package static func subtract(at index: Int) { evg_count(index, .max) }

    /// Adds a value to the histogram that begins at `index`.
    package static func record(_ seconds: Double, at index: Int) { evg_record(index, seconds) }

    // MARK: moments, in monotonic seconds, from `EventLoop.measureTurns()` on

    /// When the present turn of the loop began: what is ready in it has waited since then at least.
    package static var turnBegan: Double { evg_turn_began() }

    /// Reads the clock, exactly.
    package static func now() -> Double { evg_turn_now() }

    /// Adds how long ago a moment was to the histogram that begins at `index`.
    package static func recordTime(since start: Double, at index: Int) { evg_record(index, evg_turn_now() - start) }

    /// The same where an app is entered, of whose turn the beginning, or a later moment, is known.
    package static func recordEntry(since start: Double, at index: Int) {
        evg_turn_record_entry(index, start)
    }
}

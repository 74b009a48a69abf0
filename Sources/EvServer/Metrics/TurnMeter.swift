// How well a worker's loop turns: how late it is, and how much of its time it does not wait.

import EvLoop

@LoopActor
final class TurnMeter {
    private let loop: EventLoop
    /// Monotonic seconds at which the timer is to fire next.
    private var due: Double
    private var measuredAt: Double
    /// Seconds in which the loop has waited; of a guest, in which its thread has had something to do.
    private var measured: Double
    /// Seconds, of this minute and of the one before.
    private var longest = (0.0, 0.0)
    private var minuteEnds: Double

    init(_ loop: EventLoop) {
        self.loop = loop
        if !loop.isGuest { loop.measurePolls() }
        loop.measureTurns()
        let now = EventLoop.monotonicNow()
        (due, measuredAt, minuteEnds) = (now + 1, now, now + 60)
        measured = loop.isGuest ? ThreadTime.runnable() : loop.polled
    }

    /// The timer of one second has fired.
    func beat(_ counters: SharedCounters) {
        let now = Counted.now()
        let late = max(0, now - due)
        // libev counts on from when a timer was due, unless it is late by more than a period; and a timer that was set
        // before the app was loaded comes early at first.
        due = now < due || late > 1 ? now + 1 : due + 1
        Counted.record(late, at: Counter.lag)
        let measured = loop.isGuest ? ThreadTime.runnable() : loop.polled
        let busy = loop.isGuest ? measured - self.measured : now - measuredAt - (measured - self.measured)
        Counted.add(UInt64(max(0, min(busy, now - measuredAt)) * 1e9), at: Counter.busy)
        (measuredAt, self.measured) = (now, measured)
        if now >= minuteEnds { (longest, minuteEnds) = ((0, longest.0), now + 60) }
        longest.0 = max(longest.0, late, EventLoop.takeLongestTurn())
        counters[Counter.longestLag] = UInt64(max(longest.0, longest.1) * 1e9)
    }
}

// How busy a worker is: the share of a second in which it could not have done more. Three things can be used up, and
// the one that is used most counts: the time of the loop, the threads of the app, the places for connections.

import EvLoop

@LoopActor
final class LoadMeter {
    private let loop: EventLoop
    private let parallelism: Int
    private let places: Int
    private var measuredAt: Double
    private var runnable: Double
    private var polled: Double
    /// Seconds of this period in which requests waited for a thread.
    private var waited = 0.0
    private var waitsSince: Double?

    init(_ loop: EventLoop, parallelism: Int, places: Int) {
        self.loop = loop
        self.parallelism = max(1, parallelism)
        self.places = places
        if !loop.isGuest { loop.measurePolls() }
        (measuredAt, runnable, polled) = (EventLoop.monotonicNow(), ThreadTime.runnable(), loop.polled)
    }

    /// The number of requests that begins to wait for a thread.
    var firstThatWaits: Int { parallelism < .max ? parallelism + 1 : .max }

    func waitingBegins() { waitsSince = EventLoop.monotonicNow() }

    func waitingEnds() {
        guard let since = waitsSince else { return }
        waited += EventLoop.monotonicNow() - since
        waitsSince = nil
    }

    /// Ends a period, and returns its load in percent.
    ///
    /// - Parameters:
    ///   - tasks: requests that run, or wait for a thread.
    ///   - open: connections with something to do.
    ///   - isFull: clients wait because no place is left.
    func read(tasks: Int, open: Int, isFull: Bool) -> UInt32 {
        let (now, runnable, polled) = (EventLoop.monotonicNow(), ThreadTime.runnable(), loop.polled)
        let period = max(now - measuredAt, 1e-3)
        var shares = [(runnable - self.runnable) / period]
        // An app that waits inside of the loop's own callbacks holds up everybody, though the thread does not run.
        if !loop.isGuest { shares.append(1 - (polled - self.polled) / period) }
        if parallelism < .max {
            if waitsSince != nil {
                waitingEnds()
                waitsSince = now
            }
            shares.append(waited / period)
            // A snapshot of what runs decides about too many workers only.
            shares.append(min(0.85, Double(tasks) / Double(parallelism)))
        }
        shares.append(isFull ? 1 : min(0.85, Double(open) / Double(places)))
        (measuredAt, self.runnable, self.polled, waited) = (now, runnable, polled, 0)
        return UInt32(100 * min(1, max(0, shares.max() ?? 0)))
    }
}

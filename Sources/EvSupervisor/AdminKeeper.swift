// When the admin process is started: at once, and after it has ended again, later each time it ends early. A value: no
// process is made here.

struct AdminKeeper: Equatable {
    /// Seconds of life after which an end is not an early one.
    static let earlyDeath = 5.0
    private static let shortestPause = 0.1
    private static let longestPause = 5.0

    /// When it is to be started, in monotonic seconds; nil while it runs, or when none is wanted any more.
    private(set) var startsAt: Double?
    private var startedAt = 0.0
    private var failures = 0

    mutating func begin(at now: Double) { startsAt = now }

    mutating func started(at now: Double) {
        startsAt = nil
        startedAt = now
    }

    /// It has ended, or could not be started.
    ///
    /// - Returns: the pause before the next start, in seconds.
    mutating func ended(at now: Double) -> Double {
        failures = now - startedAt >= Self.earlyDeath ? 0 : failures + 1
        let pause = min(Self.longestPause, Self.shortestPause * Double(1 << min(failures, 20)))
        startsAt = now + pause
        return pause
    }

    /// None is wanted any more.
    mutating func giveUp() { startsAt = nil }
}

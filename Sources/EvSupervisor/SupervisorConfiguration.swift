// The configuration of the master, and what it gives to a worker.
package import EvLoop

/// How many workers, where they listen, and how long they may take. All times in seconds.
package struct SupervisorConfiguration: Sendable {
    /// Workers at the start, at least one; TTIN and TTOU change the number.
    package var workers: Int
    package var binds: [BindAddress]
    package var backlog: Int32
    /// One SO_REUSEPORT socket per worker and TCP address instead of one that all share.
    package var reusePort: Bool
    /// How long a worker's loop may stand still before the worker is killed; 0 never kills.
    package var timeout: Double
    /// How long a retired worker may take to finish its open requests.
    package var gracefulTimeout: Double
    package var pidFile: String?
    /// True if more than one thread in the master gives a warning only, as when an app was preloaded.
    package var toleratesThreads: Bool

    package init(
        workers: Int = 1, binds: [BindAddress] = [.tcp(host: "127.0.0.1", port: BindAddress.defaultPort)],
        backlog: Int32 = 2048, reusePort: Bool = false, timeout: Double = 30, gracefulTimeout: Double = 30,
        pidFile: String? = nil, toleratesThreads: Bool = false
    ) {
        self.workers = workers
        self.binds = binds
        self.backlog = backlog
        self.reusePort = reusePort
        self.timeout = timeout
        self.gracefulTimeout = gracefulTimeout
        self.pidFile = pidFile
        self.toleratesThreads = toleratesThreads
    }
}

/// What a host runtime has to do around fork(2), e.g. `PyOS_BeforeFork` and its two counterparts.
package struct ForkHooks {
    package var before: () -> Void
    /// Runs also when the fork has failed.
    package var inParent: () -> Void
    package var inChild: () -> Void

    package init(
        before: @escaping () -> Void = {}, inParent: @escaping () -> Void = {}, inChild: @escaping () -> Void = {}
    ) {
        self.before = before
        self.inParent = inParent
        self.inChild = inChild
    }
}

/// What a worker process starts with. All signals have their default action then. A worker that is ready must take
/// SIGTERM (stop accepting, finish what runs, exit with 0; it may come twice, as when systemd signals the whole group),
/// SIGQUIT and SIGINT (exit at once) and SIGUSR1 (reopen logs).
package struct WorkerContext: Sendable {
    /// The worker's place, from 0 to one less than the number of workers. Its successor has the same.
    package let index: Int
    /// Its ordinal among all workers that this master has started, from 1.
    package let age: Int
    package let listeners: [ListeningSocket]
    /// Where the worker reports; the heartbeat must change at least once per second while its loop turns.
    package let slot: ScoreboardSlot
    /// The slots of all others; those in use have a state other than `.empty`.
    package let siblings: [ScoreboardSlot]
    /// A socket to the master: write ``ControlMessage`` bytes; end of file means that the master is gone.
    package let controlFileDescriptor: Int32
    /// How long the worker may drain after SIGTERM, in seconds; a little later the master ends it.
    package let gracefulTimeout: Double
}

/// One byte from a worker to the master.
package enum ControlMessage: UInt8, Sendable {
    /// The worker accepts connections.
    case ready = 0x52  // R
    /// The worker wants to end, e.g. after its number of requests. It goes on serving until its successor is ready,
    /// and then gets SIGTERM.
    case replaceMe = 0x58  // X
}

/// The codes with which a worker tells why it did not start, and the master passes on.
package enum ExitCode {
    package static let success: Int32 = 0
    package static let failure: Int32 = 1
    /// The worker failed to boot.
    package static let workerBootFailed: Int32 = 3
    /// The app could not be loaded.
    package static let appLoadFailed: Int32 = 4
}

/// Why the master cannot start.
package struct SupervisorError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

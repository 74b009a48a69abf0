// The configuration of the master, and what it gives to a worker.
package import EvBus
package import EvLoop
import Glibc

/// How many workers, where they listen, and how long they may take. All times in seconds.
package struct SupervisorConfiguration: Sendable {
    /// At least one; TTIN and TTOU change the number until the next reload.
    package var workers: Int
    package var binds: [BindAddress]
    package var backlog: Int32
    /// One SO_REUSEPORT socket per worker and TCP address instead of one that all share. A reload cannot change it.
    package var reusePort: Bool
    /// How long a worker's loop may stand still before the worker is killed; 0 never kills.
    package var timeout: Double
    /// How long a retired worker may take to finish its open requests.
    package var gracefulTimeout: Double
    /// How long workers go on accepting after SIGTERM.
    package var shutdownDelay: Double
    /// How many workers there may be when they are busy; where it is not more than `workers`, the load changes nothing.
    package var mostWorkers: Int
    /// How long one worker too many must have been idle before it retires.
    package var idleTimeout: Double
    package var pidFile: String?
    /// What sockets have beside their address.
    package var listening: ListeningOptions
    /// Seconds after which a request is told of in the log whose worker's loop stands still; 0: never.
    package var slowRequest = 0.0
    /// Where the admin process answers for the server. A reload cannot change it.
    package var adminBinds: [BindAddress] = []
    /// Where the admin process takes messages. A reload cannot change it.
    package var publishBinds: [BindAddress] = []
    /// The admin process carries messages between servers. A reload cannot change it.
    package var connectsServers = false
    /// Whether there is an admin process.
    package var hasAdmin: Bool { !adminBinds.isEmpty || !publishBinds.isEmpty || connectsServers }
    /// What is spoken at the addresses that do not speak HTTP, by `BindAddress.text`: for the log.
    package var protocols: [String: String] = [:]
    package var adminListening = ListeningOptions()
    /// True if more than one thread in the master gives a warning only, as when an app was preloaded.
    package var toleratesThreads: Bool

    package init(
        workers: Int = 1, binds: [BindAddress] = [.tcp(host: "127.0.0.1", port: BindAddress.defaultPort)],
        backlog: Int32 = 2048, reusePort: Bool = false, timeout: Double = 30, gracefulTimeout: Double = 30,
        shutdownDelay: Double = 0, mostWorkers: Int = 0, idleTimeout: Double = 30, pidFile: String? = nil,
        listening: ListeningOptions = ListeningOptions(), toleratesThreads: Bool = false
    ) {
        self.workers = workers
        self.binds = binds
        self.backlog = backlog
        self.reusePort = reusePort
        self.timeout = timeout
        self.gracefulTimeout = gracefulTimeout
        self.shutdownDelay = shutdownDelay
        self.mostWorkers = mostWorkers
        self.idleTimeout = idleTimeout
        self.pidFile = pidFile
        self.listening = listening
        self.toleratesThreads = toleratesThreads
    }

    /// Places for workers: room for TTIN, and for draining workers of several reloads. An unused one costs a descriptor
    /// in every process, and nothing else.
    package var slotCount: Int { max(64, max(workers, mostWorkers) * 4) }

    var limits: SupervisorState.Limits {
        var limits = SupervisorState.Limits()
        limits.timeout = timeout
        limits.gracefulTimeout = gracefulTimeout
        limits.shutdownDelay = shutdownDelay
        limits.mostWorkers = mostWorkers
        limits.idleTimeout = idleTimeout
        return limits
    }
}

/// What a worker process starts with. All signals have their default action then, and ``signals`` are blocked: the
/// worker unblocks them when it has handlers. It must take SIGTERM (as ``ControlCommand/stop``), SIGQUIT and SIGINT
/// (exit at once) and SIGUSR1 (reopen logs). The same may come several times, over the control socket, from the master
/// and from whoever signals the whole process group.
package struct WorkerContext: Sendable {
    /// What a worker has handlers for.
    package static let signals: [Int32] = [SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGHUP]

    /// The worker's place, from 0 to one less than the number of workers. Its successor has the same.
    package let index: Int
    /// Its ordinal among all workers that this master has started, from 1.
    package let age: Int
    package let listeners: [ListeningSocket]
    /// Where the worker reports; the heartbeat must change at least once per second while its loop turns.
    package let slot: ScoreboardSlot
    /// The slots of all others; those in use have a state other than `.empty`.
    package let siblings: [ScoreboardSlot]
    /// The slots of the workers of another master, which USR2 has started or which has started this one.
    package let others: [ScoreboardSlot]
    /// The eventfd that wakes one of them for connections that this worker leaves to others; negative if there is
    /// none.
    package let passing: Int32
    /// A socket to the master: write ``ControlMessage`` bytes, read ``ControlCommand`` bytes; end of file means that
    /// the master has ended.
    package let controlFileDescriptor: Int32
    /// The pipe that its stacks go to, at the signals of ``StackSignal``. It makes nobody wait and is closed at exec;
    /// nil if there is none.
    package let stackDescriptor: Int32?
    /// A packet socket on which the admin process asks; nil if there is none.
    package let questions: Int32?
    /// Where the worker reports more, where somebody reads it.
    package let report: WorkerReport?
    /// The worker's place among those that send each other messages; nil if there could be none.
    package let bus: BusSeat?
    /// How long the worker may drain after SIGTERM, in seconds; a little later the master ends it.
    package let gracefulTimeout: Double

    /// In the worker: itself, as hooks see it.
    package var identity: WorkerIdentity { WorkerIdentity(index: index, age: age, pid: getpid()) }
}

/// One byte from a worker to the master.
package enum ControlMessage: UInt8, Sendable {
    /// The worker accepts connections.
    case ready = 0x52  // R
    /// The worker wants to end, e.g. after its number of requests. It goes on serving until its successor is ready,
    /// and then gets SIGTERM.
    case replaceMe = 0x58  // X
    /// The same, because it has answered as many requests, or has lived as long, as it may.
    case hasServed = 0x4d  // M
    case hasLived = 0x54  // T
    /// The same, because of the memory that it has.
    case isLarge = 0x53  // S
    /// The same, because somebody else has told it to end.
    case isTold = 0x45  // E
    /// The worker ends as it was told to, with exit code 0. Without this, that code means that the app ended it.
    case finished = 0x46  // F
    /// The worker accepts no more connections, as it was told to, and finishes what it has.
    case closed = 0x44  // D
    /// Files of the app have changed: all workers are to be started anew, at once.
    case changed = 0x43  // C
    /// The logs have been opened again, as the master has told.
    case reopened = 0x4c  // L
}

/// One byte from the master to a worker: what the signals say too, where no handler of the app can take it over.
package enum ControlCommand: UInt8, Sendable {
    /// The whole server stops: accept what waits, finish what runs, exit with 0.
    case stop = 0x53  // S
    /// The same for this worker alone; others go on accepting, and take its connections.
    case retire = 0x54  // T
    /// The same, but nobody else accepts from its sockets.
    case retireAlone = 0x57  // W
    /// The same as `retire`, in the short time that is left: another master's workers take its connections.
    case handOver = 0x48  // H
    /// The worker will be told to stop soon: go on accepting, and let each connection end with its answer.
    case announce = 0x41  // A
    /// Exit with 0 at once.
    case quit = 0x51  // Q
    case reopenLogs = 0x4c  // L
    /// There are others than before.
    case certificates = 0x4b  // K

    /// The signal that means the same, if there is one.
    package var signal: Int32? {
        switch self {
        case .announce, .certificates, .handOver: nil
        case .stop, .retire, .retireAlone: SIGTERM
        case .quit: SIGQUIT
        case .reopenLogs: SIGUSR1
        }
    }
}

/// Exit codes of a worker: why it did not start, which is then also the master's exit code, or why it cannot go on.
package enum ExitCode {
    package static let success: Int32 = 0
    package static let failure: Int32 = 1
    /// The worker failed to boot.
    package static let workerBootFailed: Int32 = 3
    /// The app could not be loaded.
    package static let appLoadFailed: Int32 = 4
    /// Descriptors of the worker's own have been closed, or are something else now.
    package static let descriptorsLost: Int32 = 5
}

/// Why the master cannot start.
package struct SupervisorError: Error, Equatable, CustomStringConvertible {
    package let description: String

    init(_ description: String) { self.description = description }
}

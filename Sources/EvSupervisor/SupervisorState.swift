// This value decides which workers exist: events in, actions out. No I/O and no clock: times are monotonic seconds and
// are passed as arguments. The driver is `Supervisor`.

package struct SupervisorState {
    package enum Event: Equatable {
        case start
        /// Answers `.spawn`, before any other event.
        case spawned(age: Int, pid: Int32)
        case spawnFailed(age: Int, reason: String)
        case workerReady(pid: Int32)
        case workerWantsReplacement(pid: Int32, because: EndCause? = nil)
        /// It accepts no more connections, as it was told to.
        case workerClosed(pid: Int32)
        /// It has ended its work as it was told to; `.childExited` follows.
        case workerFinished(pid: Int32)
        /// The app of this worker is not any more what its files say.
        case filesChanged(pid: Int32)
        case childExited(pid: Int32, ExitStatus)
        case signal(Int32)
        /// Somebody asks over the admin socket.
        case command(MasterCommand)
        /// The next master serves, and is to serve alone.
        case nextMasterReady
        /// Answers `.reconfigure`, before any other event; without it there is no reload.
        case reconfigured(workers: Int, limits: Limits)
        /// Sent at least once per second, with each worker's heartbeat by the number of its slot.
        case tick(heartbeats: [Int: Double])
        /// Follows a tick where the number of workers follows the load: each worker's, in percent, by its slot.
        case loads([Int: Int])
        /// Answers `.startMaster`, before any other event.
        case masterStarted(pid: Int32)
        case masterNotStarted(reason: String)
        /// The master that has started this one has ended.
        case formerMasterEnded

        var isSignal: Bool { if case .signal = self { true } else { false } }
    }

    package enum Action: Equatable {
        case spawn(age: Int, index: Int, slot: Int)
        case signal(pid: Int32, Int32)
        case tell(pid: Int32, ControlCommand)
        /// The worker of this slot has ended.
        case releaseSlot(Int)
        case closeListeners
        /// The number of workers has become smaller: no worker has this index now.
        case closeSockets(index: Int)
        case reopenLogs
        /// HUP: `.reconfigured` follows, unless the reload is refused.
        case reconfigure
        case workersChanged(new: Int, old: Int)
        case reportHang(pid: Int32, slot: Int, silence: Double)
        /// SIGABRT, as soon as the stacks of the worker are in the log.
        case abort(pid: Int32)
        /// USR2: executes a new master, which gets the sockets.
        case startMaster
        /// This master is the only one now: the pid file and the files of sockets are its own.
        case takeOver
        case log(Notice)
        case halt(code: Int32)
    }

    /// Times in seconds.
    package struct Limits: Equatable {
        package var timeout = 30.0
        package var gracefulTimeout = 30.0
        /// How much later than the graceful timeout, which the worker observes itself, it is killed.
        package var gracefulSlack = 1.5
        /// From SIGQUIT to SIGKILL.
        package var quickTimeout = 1.5
        /// The same where another master's workers take the connections.
        package var handOverTimeout = 3.5
        /// From SIGABRT to SIGKILL: time for a trace and a core.
        package var abortTimeout = 2.0
        /// A worker that has lived longer than this has not died early.
        package var earlyDeath = 5.0
        package var shortestPause = 0.1
        package var longestPause = 5.0
        /// A healthy worker's heartbeat changes at least this often. A shorter time without a change is normal.
        package var heartbeatPeriod = 1.0
        /// When a tick comes later than this after the one before, the master itself did not run in between.
        package var longestTick = 2.0
        /// The shortest such gap that is logged.
        package var notableGap = 1.0
        /// How long TERM leaves the workers accepting before they drain.
        package var shutdownDelay = 0.0
        /// How many workers there may be when they are busy; where it is not more than the configured number, the load
        /// changes nothing.
        package var mostWorkers = 0
        /// How long one worker too many must have been idle before it retires.
        package var idleTimeout = 30.0
        /// The least time limit of booting. While a worker imports its app it has no heartbeat, and that may take long.
        package var shortestBootLimit = 60.0

        package init() {}
    }

    struct Worker: Equatable {
        enum Phase: Equatable { case booting, ready, retiring }

        let age: Int
        let index: Int
        let slot: Int
        let startedAt: Double
        /// What it was started with: a reload may change the limit.
        let gracefulTimeout: Double
        /// True if it replaces a worker that still serves.
        var isSuccessor: Bool
        var pid: Int32?
        var phase = Phase.booting
        var wasReady = false
        /// True if it has asked for a successor.
        var isStale = false
        /// Whether it has said that it accepts no more connections.
        var hasClosed = false
        /// Whether it has said that it ends as it was told to.
        var hasFinished = false
        var lastBeat = 0.0
        /// How long the heartbeat has not changed, not counting time in which the master itself did not run.
        var silence = 0.0
        var isHung = false
        var killAt: Double?
        var killReason = KillReason.hung
        var wasKilled = false
        /// Why it has asked for a successor, if it has said that.
        var staleCause: EndCause?
    }

    /// The failures of an index; kept when its worker is replaced.
    struct History: Equatable {
        var failures = 0
        var pausedUntil = 0.0
    }

    /// The other master that serves on the same sockets.
    enum OtherMaster: Equatable {
        case none
        /// It has started this one.
        case former
        /// This one has started it.
        case next(pid: Int32)
    }

    struct Stop: Equatable {
        var isQuick: Bool
        let code: Int32
        var isOver = false
    }

    var limits: Limits
    /// Room on the scoreboard. A reload or a long drain needs more slots than there are workers.
    let slots: Int
    let isOnTerminal: Bool
    let firstGeneration: Int
    /// The number of workers that there are to be.
    var target: Int
    /// The number that the configuration, TTIN and TTOU ask for; the load only adds to it.
    var least: Int
    /// Since when one worker has been too many.
    var idleSince: Double?
    var otherMaster = OtherMaster.none
    /// WINCH has retired all workers.
    var isWithdrawn = false
    /// TERM has come, and until then the workers go on accepting.
    var leavingUntil: Double?
    var workers: [Worker] = []
    var histories: [Int: History] = [:]
    var nextAge = 1
    var someoneWasReady = false
    /// While reloading: workers below this age are to be replaced.
    var reloadBarrier: Int?
    var isReloadQueued = false
    /// The next reload is one for changed files, which waits for no successor.
    var isReloadAbrupt = false
    var stop: Stop?
    var lastTick: Double?
    var actions: [Action] = []
    package internal(set) var tally = MasterTally()

    /// - Parameters:
    ///   - slots: at least twice `workers`.
    ///   - hasFormerMaster: another master has started this one, and serves.
    ///   - isOnTerminal: WINCH tells of the size of a window, unless there is another master.
    package init(
        workers: Int, slots: Int, limits: Limits = Limits(), hasFormerMaster: Bool = false, isOnTerminal: Bool = true
    ) {
        self.limits = limits
        self.slots = slots
        self.isOnTerminal = isOnTerminal
        target = max(1, workers)
        least = target
        firstGeneration = target
        if hasFormerMaster { otherMaster = .former }
    }

    /// The next instant at which a tick is due, if something waits for one.
    package var nextDeadline: Double? {
        let kills = workers.compactMap(\.killAt)
        guard stop == nil else { return kills.min() }
        let starts = (0..<target).filter { index in holder(of: index).map(needsSuccessor) ?? true }
            .compactMap { histories[$0]?.pausedUntil }.filter { $0 > lastTick ?? 0 }
        return (kills + starts + [leavingUntil].compactMap(\.self)).min()
    }

    /// Handles one event and returns the actions to carry out, in order.
    package mutating func handle(_ event: Event, at now: Double) -> [Action] {
        actions.removeAll(keepingCapacity: true)
        switch event {
        case .start: lastTick = now
        case .spawned(let age, let pid): spawned(age, pid)
        case .spawnFailed(let age, let reason): spawnFailed(age, reason, now)
        case .workerReady(let pid): workerReady(pid, now)
        case .workerWantsReplacement(let pid, let cause):
            update(pid) {
                $0.isStale = $0.phase == .ready
                $0.staleCause = cause
            }
        case .filesChanged(let pid): filesChanged(pid)
        case .workerClosed(let pid): update(pid) { $0.hasClosed = true }
        case .workerFinished(let pid): update(pid) { $0.hasFinished = true }
        case .childExited(let pid, let status): childExited(pid, status, now)
        case .signal(let number): handleSignal(number, now)
        case .command(let command): obey(command, now)
        case .nextMasterReady: giveWay(now)
        case .reconfigured(let workers, let limits): reconfigured(workers, limits, now)
        case .tick(let heartbeats): tick(heartbeats, now)
        case .loads(let loads): follow(loads, now)
        case .masterStarted(let pid): masterStarted(pid)
        case .masterNotStarted(let reason): log(.masterNotStarted(reason: reason))
        case .formerMasterEnded: formerMasterEnded()
        }
        settle(now)
        return actions
    }

    // MARK: starting workers

    /// Starts a worker for each index that has none, unless it must wait; then one successor at most.
    private mutating func settle(_ now: Double) {
        if stop != nil {
            finishStop()
            return
        }
        for index in 0..<target where holder(of: index) == nil && isDue(index, now) {
            spawn(index, asSuccessor: false, now)
        }
        finishReload()
        // One at a time: a reload costs the memory of one more worker, and code that does not boot costs one attempt.
        guard !workers.contains(where: { $0.isSuccessor }) else { return }
        if let old = workers.first(where: { needsSuccessor($0) && isDue($0.index, now) }) {
            spawn(old.index, asSuccessor: true, now)
        }
    }

    private func isDue(_ index: Int, _ now: Double) -> Bool {
        now >= histories[index]?.pausedUntil ?? 0
    }

    /// The worker that has this index and is not retiring.
    private func holder(of index: Int) -> Worker? {
        workers.first { $0.index == index && $0.phase != .retiring }
    }

    private func needsSuccessor(_ worker: Worker) -> Bool {
        worker.phase != .retiring && !worker.isSuccessor && (worker.isStale || worker.age < reloadBarrier ?? 0)
    }

    private mutating func spawn(_ index: Int, asSuccessor: Bool, _ now: Double) {
        // If draining workers have all slots, the next start follows when one of them ends.
        guard let slot = (0..<slots).first(where: { slot in !workers.contains { $0.slot == slot } }) else { return }
        let age = nextAge
        nextAge += 1
        workers.append(
            Worker(
                age: age, index: index, slot: slot, startedAt: now, gracefulTimeout: limits.gracefulTimeout,
                isSuccessor: asSuccessor))
        actions.append(.spawn(age: age, index: index, slot: slot))
    }

    // MARK: helpers

    /// The worker with this process id, which may be retiring.
    package func identity(of pid: Int32) -> WorkerIdentity? {
        workers.first { $0.pid == pid }.map { WorkerIdentity(index: $0.index, age: $0.age, pid: pid) }
    }

    mutating func log(_ notice: Notice) { actions.append(.log(notice)) }

    mutating func update(_ pid: Int32, _ change: (inout Worker) -> Void) {
        guard let position = workers.firstIndex(where: { $0.pid == pid }) else { return }
        change(&workers[position])
    }
}

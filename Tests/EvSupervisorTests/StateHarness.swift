import EvSupervisor
import Glibc

typealias Action = SupervisorState.Action

/// Sends events to a `SupervisorState`: answers each `.spawn` with the next process id and each `.reconfigure` with
/// `configured`, and has its own clock.
struct StateHarness {
    var state: SupervisorState
    var now = 1000.0
    /// Process ids in the order of the starts. The worker of age n has the id 100 + n.
    private(set) var running: Set<Int32> = []
    /// Slots by process id.
    private(set) var slots: [Int32: Int] = [:]
    /// If set, the next forks fail with this reason.
    var forkFailure: String?
    /// What the configuration says when HUP comes; nil refuses the reload.
    var configured: (workers: Int, limits: SupervisorState.Limits)?
    /// The process id of the next master that USR2 starts; nil: it cannot be started.
    var nextMaster: Int32? = 900

    init(
        workers: Int = 2, slots: Int = 64, limits: SupervisorState.Limits = .init(), hasFormerMaster: Bool = false,
        isOnTerminal: Bool = true, start: Bool = true
    ) {
        state = SupervisorState(
            workers: workers, slots: slots, limits: limits, hasFormerMaster: hasFormerMaster,
            isOnTerminal: isOnTerminal)
        configured = (workers, limits)
        if start { startReady() }
    }

    /// Starts the master and makes every worker ready.
    mutating func startReady() {
        send(.start)
        for pid in running.sorted() { send(.workerReady(pid: pid)) }
    }

    /// Sends an event and returns all actions that follow from it, including those after the answers to `.spawn`.
    @discardableResult
    mutating func send(_ event: SupervisorState.Event) -> [Action] {
        var seen: [Action] = []
        for action in state.handle(event, at: now) {
            seen.append(action)
            if action == .reconfigure, let (workers, limits) = configured {
                seen += send(.reconfigured(workers: workers, limits: limits))
            }
            if action == .startMaster {
                seen += send(nextMaster.map { .masterStarted(pid: $0) } ?? .masterNotStarted(reason: "fork: no room"))
            }
            guard case .spawn(let age, _, let slot) = action else { continue }
            if let forkFailure {
                seen += send(.spawnFailed(age: age, reason: forkFailure))
            } else {
                let pid = Int32(100 + age)
                running.insert(pid)
                slots[pid] = slot
                seen += send(.spawned(age: age, pid: pid))
            }
        }
        return seen
    }

    @discardableResult
    mutating func exit(_ pid: Int32, _ status: ExitStatus) -> [Action] {
        running.remove(pid)
        slots[pid] = nil
        return send(.childExited(pid: pid, status))
    }

    /// A worker that was told to go says so and ends.
    @discardableResult
    mutating func exit(_ pid: Int32) -> [Action] {
        send(.workerFinished(pid: pid)) + exit(pid, .exited(code: 0))
    }

    /// A second passes, with the load of every worker in percent, in the order of their starts.
    @discardableResult
    mutating func second(_ loads: Int...) -> [Action] {
        now += 1
        var bySlot: [Int: Int] = [:]
        for (pid, load) in zip(running.sorted(), loads) { bySlot[slots[pid] ?? -1] = load }
        return tick() + send(.loads(bySlot))
    }

    /// Moves the clock in ticks of at most a second. All workers but those in `silent` beat at each tick.
    @discardableResult
    mutating func pass(_ seconds: Double, silent: Set<Int32> = []) -> [Action] {
        var seen: [Action] = []
        let end = now + seconds
        while now < end - 1e-9 {
            now = min(end, now + 1, max(state.nextDeadline ?? .infinity, now + 1e-6))
            seen += tick(silent: silent)
        }
        return seen
    }

    /// Sends one tick, whatever time has passed since the last one.
    @discardableResult
    mutating func tick(silent: Set<Int32> = []) -> [Action] {
        var beats: [Int: Double] = [:]
        for (pid, slot) in slots where !silent.contains(pid) { beats[slot] = now }
        return send(.tick(heartbeats: beats))
    }
}

extension [Action] {
    /// What workers are told, and the signals that leave them no choice, e.g. `["101 stop", "101 SIGKILL"]`.
    var sent: [String] {
        compactMap { action in
            switch action {
            case .tell(let pid, let command): "\(pid) \(command)"
            case .signal(let pid, SIGKILL): "\(pid) SIGKILL"
            case .abort(let pid): "\(pid) SIGABRT"
            case .signal(let pid, let number): "\(pid) \(number)"
            default: nil
            }
        }
    }

    /// The indices for which a worker was started.
    var spawned: [Int] {
        compactMap { action in
            if case .spawn(_, let index, _) = action { index } else { nil }
        }
    }

    func contains(notice: Notice) -> Bool { contains(.log(notice)) }

    var haltCode: Int32? {
        for case .halt(let code) in self { return code }
        return nil
    }
}

// The driver of the master: turns signals, children and time into events of `SupervisorState`, and carries out the
// actions that it returns.
// Single-threaded and synchronous. Callbacks of the loop only queue; forks happen here, with no callback on the stack.
package import EvLoop
import Glibc
package import Logging

/// The master process: binds, forks, watches, replaces, reloads and stops workers.
package final class Supervisor {
    let configuration: SupervisorConfiguration
    let logger: Logger
    let forkHooks: ForkHooks
    let onReopenLogs: () -> Void
    let worker: (WorkerContext) -> Int32

    var state: SupervisorState
    let slotCount: Int
    var inbox: [SupervisorState.Event] = []
    var children: [Int32: Child] = [:]
    var listeners: ListenerSet?
    var scoreboard: Scoreboard?
    var loop: EventLoop?
    private var watchers: [SignalWatcher] = []
    private var timer: TimerWatcher?
    private var lastTick = 0.0
    private var exitCode: Int32?
    var hasWarnedOfThreads = false

    /// - Parameters:
    ///   - forkHooks: what the host runtime needs around fork(2).
    ///   - onReopenLogs: called for SIGUSR1, in the master only.
    ///   - worker: the body of a worker process; its result is the process's exit code (``ExitCode``).
    package init(
        configuration: SupervisorConfiguration, logger: Logger, forkHooks: ForkHooks = ForkHooks(),
        onReopenLogs: @escaping () -> Void = {}, worker: @escaping (WorkerContext) -> Int32
    ) {
        self.configuration = configuration
        self.logger = logger
        self.forkHooks = forkHooks
        self.onReopenLogs = onReopenLogs
        self.worker = worker
        var limits = SupervisorState.Limits()
        limits.timeout = configuration.timeout
        limits.gracefulTimeout = configuration.gracefulTimeout
        // Room for TTIN, and for draining workers of several reloads; an unused slot costs nothing.
        slotCount = max(64, configuration.workers * 4)
        state = SupervisorState(workers: configuration.workers, slots: slotCount, limits: limits)
    }

    /// Runs until the last worker is gone.
    ///
    /// - Returns: the master's exit code. In a worker process it does not return.
    package func run() -> Int32 {
        // Without this, a write to a log whose reader has ended would end the server.
        signal(SIGPIPE, SIG_IGN)
        var pidFile: PIDFile?
        defer {
            listeners?.removeFiles()
            listeners?.close()
            pidFile?.remove()
            stopWatching()
        }
        do {
            // Signals first, so that a signal that comes while files are made does not leave them behind.
            loop = try EventLoop()
            watch()
            if let path = configuration.pidFile { pidFile = try PIDFile(claiming: path) }
            listeners = try ListenerSet(
                configuration.binds, backlog: configuration.backlog, reusePort: configuration.reusePort)
            scoreboard = try Scoreboard(capacity: slotCount)
        } catch {
            logger.critical("\(error)")
            return ExitCode.failure
        }
        guard checkThreads(isFatal: !configuration.toleratesThreads) else { return ExitCode.failure }
        for socket in listeners?.addresses ?? [] { logger.info("Listening at: \(socket) (\(getpid()))") }
        let code = serve()
        logger.info("Shutting down: Master")
        return code
    }

    // MARK: events

    private func watch() {
        guard let loop else { return }
        watchers = SupervisorState.signals.map { number in
            SignalWatcher(loop, signal: number) { [unowned self] in enqueue(.signal(number)) }
        }
        watchers.append(SignalWatcher(loop, signal: SIGCHLD) { [unowned self] in reap() })
        for watcher in watchers { watcher.start() }
        timer = TimerWatcher(loop) { [unowned self] in self.loop?.stop() }
    }

    func stopWatching() {
        timer?.stop()
        for watcher in watchers { watcher.stop() }
        for child in children.values { child.watcher.stop() }
        timer = nil
        watchers = []
    }

    func enqueue(_ event: SupervisorState.Event) {
        inbox.append(event)
        loop?.stop()
    }

    private func serve() -> Int32 {
        lastTick = EventLoop.monotonicNow()
        feed(.start)
        while true {
            if let exitCode { return exitCode }
            let now = EventLoop.monotonicNow()
            let nextTick = min(lastTick + 1, state.nextDeadline ?? .infinity)
            if nextTick <= now {
                lastTick = now
                feed(.tick(heartbeats: heartbeats()))
            } else {
                timer?.start(after: nextTick - now)
                loop?.run()
            }
            let events = inbox
            inbox = []
            // A signal to the whole process group ends workers too; the master is to know why they end. libev calls
            // for SIGCHLD before SIGTERM.
            for event in events where event.isSignal { feed(event) }
            for event in events where !event.isSignal { feed(event) }
        }
    }

    func feed(_ event: SupervisorState.Event) {
        for action in state.handle(event, at: EventLoop.monotonicNow()) { perform(action) }
    }

    private func heartbeats() -> [Int: Double] {
        var beats: [Int: Double] = [:]
        for child in children.values { beats[child.slotIndex] = scoreboard?[child.slotIndex].heartbeat }
        return beats
    }

    // MARK: actions

    private func perform(_ action: SupervisorState.Action) {
        switch action {
        case .spawn(let age, let index, let slot): spawn(age: age, index: index, slotIndex: slot)
        case .signal(let pid, let number):
            // A child that has been reaped gets no signal: another process may have its id now.
            if children[pid] != nil { kill(pid, number) }
        case .tell(let pid, let command): tell(pid, command)
        case .releaseSlot(let slot): scoreboard?[slot].reset()
        case .closeListeners:
            listeners?.removeFiles()
            listeners?.close()
        case .closeSockets(let index): listeners?.close(index: index)
        case .reopenLogs: onReopenLogs()
        case .reportHang(let pid, let slot, let silence): reportHang(pid, slot, silence)
        case .log(let notice): logger.log(level: notice.level, "\(notice.text)")
        case .halt(let code): exitCode = code
        }
    }

    private func reportHang(_ pid: Int32, _ slot: Int, _ silence: Double) {
        let record = scoreboard?[slot]
        let text = hangReport(
            pid: pid, silence: silence, now: EventLoop.monotonicNow(), current: record?.currentRequest,
            longest: record?.longestRequest)
        logger.critical("\(text)")
    }
}

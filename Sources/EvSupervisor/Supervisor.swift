// The driver of the master: turns signals, children and time into events of `SupervisorState`, and carries out the
// actions that it returns.
// Single-threaded and synchronous. Callbacks of the loop only queue; forks happen here, with no callback on the stack.
import EvBus
package import EvLoop
import Glibc
package import Logging

/// The master process: binds, forks, watches, replaces, reloads and stops workers.
package final class Supervisor {
    /// A reload changes it.
    var configuration: SupervisorConfiguration
    let logger: Logger
    let forkHooks: ForkHooks
    let hooks: SupervisorHooks
    let onReopenLogs: () -> Void
    /// Writes lines to the log as they are.
    let writeText: (_ text: String, _ level: Logger.Level) -> Void
    let reconfigure: () -> Reconfiguration
    let worker: (WorkerContext) -> Int32
    var admin: AdminSide
    let onTurn: (_ isTick: Bool) -> Void
    /// Becomes the next master with this variable in its environment; returns errno if it cannot.
    let execute: ((_ handover: String) -> Int32)?
    /// What the former master has passed on, where USR2 has started this one.
    let handover: Handover?

    var state: SupervisorState
    let slotCount: Int
    var inbox: [SupervisorState.Event] = []
    var children: [Int32: Child] = [:]
    var listeners: ListenerSet?
    var scoreboard: Scoreboard?
    var bus = BusSide()
    /// What is spoken at the addresses that have been shown in the log, by their text; none for HTTP.
    var protocols: [String: String] = [:]
    var pidFile: PIDFile?
    package internal(set) var loop: EventLoop?
    private var watchers: [SignalWatcher] = []
    private var timer: TimerWatcher?
    private var lastTick = 0.0
    var lastSlowLook = 0.0
    private var exitCode: Int32?
    var service: Service
    /// Whether `onStarting` has been called.
    private var hasStarted = false
    var hasWarnedOfThreads = false
    /// What the admin process has asked for.
    var requests: [AdminRequest] = []
    var commands = MasterCommands()
    /// Why the worker that ends now has not loaded its app.
    var lastFailure: (pid: Int32, text: String)?
    var masters = MasterChannels()
    /// Of the next master.
    var reports: [NextMasterReport] = []
    /// In seconds since 1970.
    let started = EventLoop.wallNow()

    /// - Parameters:
    ///   - forkHooks: what the host runtime needs around fork(2).
    ///   - hooks: called at the turning points of the master's life.
    ///   - onReopenLogs: called for SIGUSR1, in the master only.
    ///   - writeText: writes lines to the log as they are.
    ///   - reconfigure: called for SIGHUP, in the master, before anything else.
    ///   - notifier: of systemd.
    ///   - onTurn: called when workers may have come or gone, and at least once a second, which `isTick` tells.
    ///   - handover: what the former master has passed on; nil if USR2 has not started this one.
    ///   - execute: becomes the next master, in a process of its own; it is given the text of a ``Handover``, and
    ///     returns errno if that fails. Without it, USR2 does nothing.
    ///   - admin: the body of the admin process; nil for none.
    ///   - worker: the body of a worker process; its result is the process's exit code (``ExitCode``).
    package init(
        configuration: SupervisorConfiguration, logger: Logger, forkHooks: ForkHooks = ForkHooks(),
        hooks: SupervisorHooks = SupervisorHooks(), onReopenLogs: @escaping () -> Void = {},
        writeText: @escaping (_ text: String, _ level: Logger.Level) -> Void = { _, _ in },
        reconfigure: @escaping () -> Reconfiguration = { .keep }, notifier: SystemdNotifier = SystemdNotifier(),
        onTurn: @escaping (_ isTick: Bool) -> Void = { _ in },
        handover: Handover? = nil, execute: ((_ handover: String) -> Int32)? = nil,
        admin: ((AdminContext) -> Int32)? = nil, worker: @escaping (WorkerContext) -> Int32
    ) {
        self.configuration = configuration
        self.logger = logger
        self.forkHooks = forkHooks
        self.hooks = hooks
        self.onReopenLogs = onReopenLogs
        self.writeText = writeText
        self.reconfigure = reconfigure
        self.worker = worker
        self.admin = AdminSide(admin)
        service = Service(notifier)
        self.onTurn = onTurn
        slotCount = configuration.slotCount
        self.handover = handover
        self.execute = execute
        state = SupervisorState(
            workers: configuration.workers, slots: slotCount, limits: configuration.limits,
            hasFormerMaster: handover != nil, isOnTerminal: getpid() == 1 || Terminal.controlsThisProcess)
    }

    /// Runs until the last worker is gone.
    ///
    /// - Returns: the master's exit code. In a worker process it does not return.
    package func run() -> Int32 {
        // Without this, a write to a log whose reader has ended would end the server.
        signal(SIGPIPE, SIG_IGN)
        let code = start() ? serve() : ExitCode.failure
        listeners?.close()
        admin.listeners?.close()
        if !hasOtherMaster {
            listeners?.removeFiles()
            admin.listeners?.removeFiles()
        }
        pidFile?.remove()
        if hasStarted { call(hooks.onExit) }
        // Who has waited for this may start another server in the same place.
        endAdmin()
        stopWatching()
        return code
    }

    /// Makes everything that workers need. Returns false if that fails; the reason is in the log then.
    private func start() -> Bool {
        do {
            // Signals first, so that a signal that comes while files are made does not leave them behind.
            loop = try EventLoop()
            watch()
            watchFormerMaster()
            openChannel()
            if let path = configuration.pidFile { pidFile = try PIDFile(claiming: ownPath(path)) }
            hasStarted = true
            call { hooks.workersChanged(state.target, nil) }
            try call(hooks.onStarting)
            keepReusePort()
            listeners = try ListenerSet(
                configuration.binds, backlog: configuration.backlog, reusePort: configuration.reusePort,
                options: configuration.listening,
                handover: handover?.keeping { [configuration] in !configuration.isOfAdmin($0) })
            closeSurplusSockets()
            try openBus()
            guard checkThreads(isFatal: !configuration.toleratesThreads) else { return false }
            for socket in listeners?.addresses ?? [] { log(listening: socket) }
            try openAdmin()
            try call(hooks.whenReady)
            return true
        } catch {
            logger.critical("\(error)")
            return false
        }
    }

    /// - Parameter configuration: that which is about to be in force, if it is another one.
    func log(listening socket: ListeningSocket, _ configuration: SupervisorConfiguration? = nil) {
        protocols[socket.address.text] = (configuration ?? self.configuration).protocols[socket.address.text]
        logger.info("Listening at: \(shown(socket)) (\(getpid()))")
    }

    /// As the log shows it, and as `--bind` takes it where HTTP is not what is spoken.
    func shown(_ socket: ListeningSocket) -> String {
        protocols[socket.address.text] == nil ? "\(socket)" : text(of: socket)
    }

    private func text(of socket: ListeningSocket) -> String {
        (protocols[socket.address.text].map { "\($0)://" } ?? "") + socket.text
    }

    /// The addresses that are listened to, as `--bind` takes them.
    var servedAddresses: [String] { listeners?.addresses.map(text(of:)) ?? [] }

    // MARK: events

    private func watch() {
        guard let loop else { return }
        watchers = SupervisorState.signals.map { number in
            SignalWatcher(loop, signal: number) { [unowned self] in enqueue(.signal(number)) }
        }
        watchers.append(SignalWatcher(loop, signal: SIGCHLD) { [unowned self] in reap() })
        for watcher in watchers { watcher.start() }
        for number in EarlySignals.take() { enqueue(.signal(number)) }
        timer = TimerWatcher(loop) { [unowned self] in self.loop?.stop() }
        service.start(loop)
    }

    func stopWatching() {
        timer?.stop()
        service.stop()
        for watcher in watchers { watcher.stop() }
        for child in children.values {
            child.watcher.stop()
            child.stacks?.stop()
        }
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
            if let exitCode {
                logger.log(level: exitCode == 0 ? .info : .error, "Shutting down: Master")
                return exitCode
            }
            let now = EventLoop.monotonicNow()
            keepAdmin(now)
            let nextTick = min(lastTick + 1, state.nextDeadline ?? .infinity, admin.keeper.startsAt ?? .infinity)
            let isTick = nextTick <= now
            sweepBus(now, isTick: isTick)
            if isTick {
                lastTick = now
                feed(.tick(heartbeats: heartbeats()))
                if state.followsLoad { feed(.loads(loads())) }
                lookForSlowRequests(now)
            } else {
                timer?.start(after: nextTick - now)
                loop?.run()
            }
            // Before its end, if that has come.
            followNextMaster()
            let events = inbox
            inbox = []
            // A signal to the whole process group ends workers too; the master is to know why they end. libev calls
            // for SIGCHLD before SIGTERM.
            for event in events where event.isSignal { feed(event) }
            for event in events where !event.isSignal {
                guard case .childExited(let pid, let status) = event, let worker = state.identity(of: pid) else {
                    feed(event)
                    continue
                }
                call { hooks.childExit(worker) }
                beginsToEnd(worker, status)
                feed(event)
                hasEnded(worker, status)
            }
            obeyRequests()
            tellFormerMaster()
            closeFormerListeners()
            tellService()
            publishCounters(isTick: isTick)
            onTurn(isTick)
        }
    }

    func feed(_ event: SupervisorState.Event) {
        let actions = state.handle(event, at: EventLoop.monotonicNow())
        for action in actions { announceLeaving(action) }
        for action in actions { perform(action) }
    }

    /// Before any of those that leave together is told, so that none gives its connections to another one of them.
    private func announceLeaving(_ action: SupervisorState.Action) {
        guard case .tell(let pid, let command) = action,
            [.retire, .retireAlone, .handOver, .stop, .quit].contains(command),
            let child = children[pid], let slot = scoreboard?[child.slotIndex], slot.state == .ready
        else { return }
        slot.state = .leaving
    }

    private func heartbeats() -> [Int: Double] {
        var beats: [Int: Double] = [:]
        for child in children.values { beats[child.slotIndex] = scoreboard?[child.slotIndex].heartbeat }
        return beats
    }

    private func loads() -> [Int: Int] {
        var loads: [Int: Int] = [:]
        for child in children.values { loads[child.slotIndex] = scoreboard.map { Int($0[child.slotIndex].load) } }
        return loads
    }

    // MARK: actions

    private func perform(_ action: SupervisorState.Action) {
        switch action {
        case .spawn(let age, let index, let slot): spawn(age: age, index: index, slotIndex: slot)
        case .signal(let pid, let number):
            // A child that has been reaped gets no signal: another process may have its id now.
            if children[pid] != nil { kill(pid, number) }
        case .abort(let pid): abort(pid)
        case .tell(let pid, let command): tell(pid, command)
        case .releaseSlot(let slot):
            keepFailure(of: slot)
            scoreboard?[slot].reset()
            admin.board?.collect(slot)
            leaveBus(slot)
        case .closeListeners:
            if !state.hasOtherMaster { listeners?.removeFiles() }
            listeners?.close()
        case .closeSockets(let index): listeners?.close(index: index)
        case .reopenLogs:
            onReopenLogs()
            if let admin = admin.child { kill(admin.pid, SIGUSR1) }
        case .reconfigure: reload()
        case .workersChanged(let new, let old): call { hooks.workersChanged(new, old) }
        case .reportHang(let pid, let slot, let silence): reportHang(pid, slot, silence)
        case .startMaster: startMaster()
        case .takeOver: takeOver()
        case .log(let notice): log(notice)
        case .halt(let code): exitCode = code
        }
    }

    func log(_ notice: Notice) {
        logger.log(level: notice.level, "\(notice.text)")
        tellAdmin(notice)
        follow(notice)
    }

    private func reportHang(_ pid: Int32, _ slot: Int, _ silence: Double) {
        let record = scoreboard?[slot]
        let text = hangReport(
            pid: pid, silence: silence, now: EventLoop.monotonicNow(), current: record?.currentRequest,
            longest: record?.longestRequest)
        logger.critical("\(text)")
        tellAdmin(.critical, of: pid, text)
        if admin.board != nil { admin.hangs[pid] = text }
    }
}

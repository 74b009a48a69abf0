// A worker from fork to exit: load the app, serve, and leave for one of five reasons: TERM (finish what runs),
// INT or QUIT (now), the master has ended, enough requests served, or the app did not load. The master sends commands
// over the control socket and as signals, because an app may replace signal handlers; each command is handled once.

import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Glibc
import Logging

@LoopActor
final class WorkerProcess {
    private let host: any ApplicationHost
    private let configuration: GatewayConfiguration
    private let spool: SpoolConfiguration
    private let context: WorkerContext
    private let logs: ProcessLogs
    private let loop: EventLoop
    private let logger: Logger

    private var worker: Worker?
    private var accessLog: AccessLog?
    private var signals: [SignalWatcher] = []
    private var control: IOWatcher?
    private var descriptors = DescriptorGuard()
    private var isLeaving = false
    private var wasInterrupted = false
    private var exitCode: Int32?
    /// Monotonic seconds before which no further lost lines are reported.
    private var nextLossReport = 0.0

    /// Runs the worker to its end and returns the exit code of the process.
    nonisolated static func run(
        host: any ApplicationHost, configuration: GatewayConfiguration, spool: SpoolConfiguration,
        context: WorkerContext, logs: ProcessLogs
    ) -> Int32 {
        Fork.watch()
        logs.forget()
        do throws(ApplicationError) {
            try host.callHook(.postFork, worker: context.identity, new: nil, old: nil)
        } catch {
            logs.logger.error("\(error)")
            return error.exitCode
        }
        do {
            let loop = try EventLoop()
            if host.drivesLoop(of: configuration) { try loop.becomeGuest() }
            LoopExecutor.shared.bind(to: loop)
            // The child of a fork has one thread, and from here on that thread is the loop's.
            nonisolated(unsafe) let (host, logs) = (host, logs)
            return LoopActor.assumeIsolated {
                WorkerProcess(
                    host: host, configuration: configuration, spool: spool, context: context, logs: logs, loop: loop
                ).run()
            }
        } catch {
            logs.logger.error("Cannot make the event loop", metadata: ["error": "\(error)"])
            return ExitCode.workerBootFailed
        }
    }

    private init(
        host: any ApplicationHost, configuration: GatewayConfiguration, spool: SpoolConfiguration,
        context: WorkerContext, logs: ProcessLogs, loop: EventLoop
    ) {
        self.host = host
        self.configuration = configuration
        self.spool = spool
        self.context = context
        self.logs = logs
        self.loop = loop
        logger = logs.logger
    }

    private func run() -> Int32 {
        watchSignals()
        watchMaster()
        boot()
        if exitCode == nil {
            host.run(loop)
            if exitCode == nil { loopHasEnded() }
            accessLog?.flush()
        }
        // Not in the callback of the signal: under gevent, what a hook does may switch greenlets.
        if wasInterrupted { try? callHook(.workerInt) }
        try? callHook(.workerExit)
        host.shutdown()
        // From here on the default action of a second TERM would make the end look like a crash.
        Fork.block(WorkerContext.signals)
        signals = []
        control = nil
        reportLostLines(atOnce: true)
        logs.errorLog.finish()
        return exitCode ?? 0
    }

    private func callHook(_ moment: HookMoment) throws(ApplicationError) {
        try host.callHook(moment, worker: context.identity, new: nil, old: nil)
    }

    // MARK: The app

    private func boot() {
        let environment = WorkerEnvironment(
            logger: logger, errorLog: logs.errorLog, index: context.index, age: context.age, slot: context.slot,
            replaceWorker: { [unowned self] in askForSuccessor() })
        do {
            let loaded = try host.makeApplication(configuration, worker: environment)
            // Not before: while Python imports the app, the loop must not release Python's lock.
            if !loop.isGuest, let hooks = host.pollHooks {
                loop.setPollHooks(release: hooks.release, acquire: hooks.acquire)
            }
            switch loaded.source {
            case .ready(let application):
                serve(application, loaded.description)
            case .preparing(let prepare):
                let description = loaded.description
                Task(executorPreference: LoopActor.taskExecutor) {
                    await self.serve(preparedBy: prepare, description)
                }
            }
        } catch {
            failToLoad(error)
        }
    }

    private func serve(
        preparedBy prepare: @LoopActor () async throws -> any Application, _ description: String
    ) async {
        do {
            serve(try await prepare(), description)
        } catch {
            failToLoad(error as? ApplicationError ?? ApplicationError("the app failed to load: \(error)"))
        }
    }

    private func serve(_ application: any Application, _ description: String) {
        guard !isLeaving else { return }
        do throws(ApplicationError) {
            try callHook(.postWorkerInit)
        } catch {
            return failToLoad(error)
        }
        accessLog = logs.makeAccessLog(observer: host.accessLogObserver(of: configuration))
        if let names = accessLog?.variables, !names.isEmpty { host.logsVariables(names) }
        let worker = Worker(
            loop: loop, configuration: configuration.server(spool: spool), listeners: context.listeners,
            application: application, slot: context.slot, siblings: context.siblings,
            accessLog: accessLog, logger: logger)
        worker.onFinished = { [unowned self] in LoopActor.assumeIsolated { self.leave(0) } }
        worker.onMaxRequests = { [unowned self] in
            LoopActor.assumeIsolated {
                self.logger.info("Autorestarting worker after current request. It has served its --max-requests")
                self.askForSuccessor()
            }
        }
        self.worker = worker
        // Not before: what the app has freed while it was loaded goes back to the kernel.
        FreedMemory.keep()
        worker.start()
        watchDescriptors()
        tellMaster(.ready)
        logger.info("Worker ready (pid: \(getpid())): \(description)")
    }

    /// Asks the master for a successor. This worker serves until the successor is ready and the master sends TERM.
    private func askForSuccessor() {
        if !isLeaving { tellMaster(.replaceMe) }
    }

    private func tellMaster(_ message: ControlMessage) {
        var byte = message.rawValue
        _ = send(context.controlFileDescriptor, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    private func failToLoad(_ error: ApplicationError) {
        if let details = error.details { logs.write(details) }
        // gunicorn's words, for which people search their logs.
        let words = error.exitCode == ExitCode.workerBootFailed ? "Exception in worker process: " : ""
        logger.error("\(words)\(error)")
        leave(error.exitCode)
    }

    // MARK: Leaving

    /// The code that drives the loop has failed and has logged the reason.
    private func loopHasEnded() {
        checkDescriptors()
        logger.error("The worker's event loop has ended, and nobody had asked for it (pid: \(getpid()))")
        exitCode = ExitCode.failure
    }

    private func leave(_ code: Int32) {
        if exitCode == nil {
            exitCode = code
            if code == ExitCode.success { tellMaster(.finished) }
        }
        loop.stop()
    }

    /// Stops accepting connections, and ends the worker when its open requests are answered.
    private func drain(takesQueue: Bool) {
        guard !isLeaving else { return }
        isLeaving = true
        forgetListeners()
        if let worker { worker.drain(timeout: context.gracefulTimeout, takesQueue: takesQueue) } else { leave(0) }
    }

    private func obey(_ command: ControlCommand) {
        switch command {
        case .stop: drain(takesQueue: true)
        case .retire: drain(takesQueue: false)
        case .quit: quit()
        case .reopenLogs: reopenLogs()
        }
    }

    private func quit() {
        isLeaving = true
        wasInterrupted = true
        forgetListeners()
        if let worker { worker.quit() } else { leave(0) }
    }

    private func reopenLogs() {
        // Buffered lines were logged before the rotation, so they go to the old file.
        accessLog?.flush()
        logs.reopen()
        accessLog?.reopened()
        host.reopenLog()
        rememberLogs()
    }

    // MARK: Descriptors

    /// The worker that the loop's failure ends.
    private static var current: WorkerProcess?

    private func watchDescriptors() {
        descriptors.remember(context.controlFileDescriptor, as: "the control socket")
        for listener in context.listeners {
            descriptors.remember(listener.fileDescriptor, as: "the socket of \(listener)")
        }
        rememberLogs()
        Self.current = self
        loop.onCheck = { [unowned self] in
            LoopActor.assumeIsolated {
                self.checkDescriptors()
                self.logs.errorLog.retry()
                self.reportLostLines(atOnce: false)
            }
        }
        EventLoop.onFailure { LoopActor.assumeIsolated { WorkerProcess.current?.checkDescriptors() } }
    }

    /// Standard streams are left out: apps may redirect them.
    private func rememberLogs() {
        for log in logs.descriptors where log > 2 { descriptors.remember(log, as: "a log file") }
    }

    /// Says how many lines of the access log were lost: when it begins, then once a minute, and at the end.
    private func reportLostLines(atOnce: Bool) {
        let now = EventLoop.monotonicNow()
        guard atOnce || now >= nextLossReport else { return }
        var all = accessLog?.takeLost() ?? []
        let syslog = logs.errorLog.takeLostToSyslog()
        if syslog.count > 0 { all.append(("the error log in syslog", syslog)) }
        for (name, lost) in all {
            nextLossReport = now + 60
            let isStatsd = name == "statsd"
            let what = isStatsd ? lost.counted("datagram") + " for statsd" : lost.counted("line") + " of \(name)"
            logger.warning("Lost \(what): \(lost.reasonText) (pid: \(getpid()))")
        }
    }

    /// A worker that leaves closes them.
    private func forgetListeners() {
        for listener in context.listeners { descriptors.forget(listener.fileDescriptor) }
    }

    /// A descriptor may now belong to another client, so the worker must not use any more. It ends at once.
    private func checkDescriptors() {
        guard let name = descriptors.lost?.name ?? loop.lostDescriptor else { return }
        // Nothing takes what another log would be left now.
        logs.errorLog.relay = nil
        if descriptors.isIntact(logs.errorLog.fileDescriptor) {
            logger.error("The app has closed or replaced \(name): this worker ends at once (pid: \(getpid()))")
        }
        Fork.exitChild(ExitCode.descriptorsLost)
    }

    private func watchSignals() {
        for number in WorkerContext.signals {
            let watcher = SignalWatcher(loop, signal: number) { [unowned self] in
                LoopActor.assumeIsolated { self.received(number) }
            }
            watcher.start()
            signals.append(watcher)
        }
        Fork.unblock(WorkerContext.signals)
    }

    private func received(_ signal: Int32) {
        switch signal {
        case SIGTERM:
            // The master writes a command before it sends the signal, and the command is more exact than the signal.
            readCommands()
            obey(.stop)
        case SIGINT, SIGQUIT: obey(.quit)
        case SIGUSR1: obey(.reopenLogs)
        // HUP reaches the whole group when a terminal closes or an operator signals it; reloading is the master's.
        default: break
        }
    }

    private func watchMaster() {
        let descriptor = context.controlFileDescriptor
        let watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .read) { [unowned self] _ in
            LoopActor.assumeIsolated { self.readCommands() }
        }
        watcher.start()
        control = watcher
    }

    private func readCommands() {
        while true {
            var byte: UInt8 = 0
            let count = recv(context.controlFileDescriptor, &byte, 1, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { break }
            if let command = ControlCommand(rawValue: byte) { obey(command) }
        }
        control?.stop()
        if !isLeaving { logger.warning("The master is gone: finishing open requests (pid: \(getpid()))") }
        drain(takesQueue: true)
    }
}

// A worker from fork to exit: load the app, serve, and leave for one of five reasons: TERM (finish what runs),
// INT or QUIT (now), the master has ended, a limit of its life is reached, or the app did not load. The master sends
// commands over the control socket and as signals, because an app may replace signal handlers; each command is handled
// once.

import EvBus
import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Glibc
import Logging

@LoopActor
final class WorkerProcess {
    let host: any ApplicationHost
    let configuration: GatewayConfiguration
    let spool: SpoolConfiguration
    let context: WorkerContext
    let logs: ProcessLogs
    let certificates: WorkerCertificates
    let owners: OwnerTable?
    /// What TLS is spoken with now.
    var tls: TLSServer?
    private let reload: ReloadPlan?
    let loop: EventLoop
    let logger: Logger
    /// Of this process, also before it serves.
    let bus: Bus
    private let onServing: (() -> Void)?

    var worker: Worker?
    var accessLog: AccessLog?
    var signals: [SignalWatcher] = []
    var control: IOWatcher?
    /// Of the admin process.
    var questions: PacketSocket?
    let tables = TableAnswers()
    var descriptors = DescriptorGuard()
    var isLeaving = false
    var wasInterrupted = false
    /// Somebody has told it to end, and it waits for a successor until then.
    var patience: TimerWatcher?
    /// Ends what limits the worker's life.
    var lifetime: TimerWatcher?
    /// Resident bytes from which on it is replaced; nil for any.
    var memoryLimit: Int?
    private var exitCode: Int32?
    /// Monotonic seconds before which no further lost lines are reported.
    var nextLossReport = 0.0
    /// By the name of the log.
    var unreportedLosses: [String: LostLines] = [:]
    /// Of all logs but the error log's file.
    var lostLines = 0
    /// Of the error log.
    let drain: LogDrain
    /// Of `--slow-request`.
    var slowRequests: SlowRequests?
    private var reloader: Reloader?
    /// The app could not be loaded, and with `--reload` the worker says so to clients.
    private var isWithoutApp = false

    /// Runs the worker to its end and returns the exit code of the process.
    ///
    /// - Parameter onServing: called when it accepts connections. It may change the standard streams.
    nonisolated static func run(
        host: any ApplicationHost, configuration: GatewayConfiguration, spool: SpoolConfiguration,
        context: WorkerContext, logs: ProcessLogs, certificates: WorkerCertificates, owners: OwnerTable?,
        reload: ReloadPlan?, onServing: (() -> Void)? = nil
    ) -> Int32 {
        Fork.watch()
        if let descriptor = context.stackDescriptor { StackSignal.open(descriptor) }
        logs.forget()
        do throws(ApplicationError) {
            try host.callHook(.postFork, worker: context.identity, new: nil, old: nil)
            // As under gunicorn, the hook is still called as the master's user.
            try configuration.workerUser?.becomeWorker()
        } catch {
            logs.logger.error("\(error)")
            return error.exitCode
        }
        do {
            let loop = try EventLoop()
            if host.drivesLoop(of: configuration) { try loop.becomeGuest() }
            LoopExecutor.shared.bind(to: loop)
            // The child of a fork has one thread, and from here on that thread is the loop's.
            nonisolated(unsafe) let (host, logs, onServing) = (host, logs, onServing)
            return LoopActor.assumeIsolated {
                WorkerProcess(
                    host: host, configuration: configuration, spool: spool, context: context, logs: logs,
                    certificates: certificates, owners: owners, reload: reload, loop: loop, onServing: onServing
                ).run()
            }
        } catch {
            logs.logger.error("Cannot make the event loop", metadata: ["error": "\(error)"])
            return ExitCode.workerBootFailed
        }
    }

    private init(
        host: any ApplicationHost, configuration: GatewayConfiguration, spool: SpoolConfiguration,
        context: WorkerContext, logs: ProcessLogs, certificates: WorkerCertificates, owners: OwnerTable?,
        reload: ReloadPlan?, loop: EventLoop, onServing: (() -> Void)?
    ) {
        self.host = host
        self.configuration = configuration
        self.spool = spool
        self.context = context
        self.logs = logs
        self.certificates = certificates
        self.owners = owners
        tls = certificates.server
        self.reload = reload
        self.loop = loop
        self.onServing = onServing
        logger = logs.logger
        let bus = Bus(loop, seat: context.bus)
        self.bus = bus
        Publishing.begin { bus.publish($0, $1) }
        AppBus.begin(bus)
        let errorLog = logs.errorLog
        drain = LogDrain(loop) { errorLog.retry() ? nil : errorLog.waitingDescriptor }
    }

    private func run() -> Int32 {
        watchSignals()
        watchMaster()
        watchQuestions()
        boot()
        if exitCode == nil {
            // Without its app, the host has no loop to drive this one.
            if isWithoutApp { loop.run() } else { host.run(loop) }
            if exitCode == nil { loopHasEnded() }
            accessLog?.flush()
        }
        Publishing.begin(nil)
        AppBus.begin(nil)
        bus.close()
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
        reloader = reload.map { plan in
            Reloader(loop, plan, logger) { [unowned self] in LoopActor.assumeIsolated { tellMaster(.changed) } }
        }
        let environment = WorkerEnvironment(
            logger: logger, errorLog: logs.errorLog, index: context.index, age: context.age, slot: context.slot,
            bus: bus, stackDescriptor: context.stackDescriptor,
            watchFile: reloader?.watch,
            replaceWorker: { [unowned self] in askForSuccessor(.replaceMe) })
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
            isWithoutApp = reloader != nil
            if isWithoutApp, let hooks = host.pollHooks {
                loop.setPollHooks(release: hooks.release, acquire: hooks.acquire)
            }
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
        begin(application, description)
    }

    private func begin(_ application: any Application, _ description: String) {
        guard !isLeaving else { return }
        accessLog = logs.makeAccessLog(observer: host.accessLogObserver(of: configuration))
        if let names = accessLog?.variables, !names.isEmpty { host.logsVariables(names) }
        let worker = Worker(
            loop: loop, configuration: configuration.server(spool: spool, tls: tls, owners: owners),
            listeners: context.listeners,
            application: application, slot: context.slot, siblings: context.siblings, others: context.others,
            passing: context.passing, report: context.report, accessLog: accessLog, bus: bus, logger: logger)
        worker.onFinished = { [unowned self] in LoopActor.assumeIsolated { self.leave(0) } }
        self.worker = worker
        // Not before: what the app has freed while it was loaded goes back to the kernel.
        FreedMemory.keep()
        worker.start()
        limitLife(of: worker)
        watchSlowRequests(of: worker)
        watchDescriptors()
        tellMaster(.ready)
        logger.info("Worker ready (pid: \(getpid())): \(description)")
        if let onServing {
            onServing()
            reopenLogs()
        }
    }

    /// Asks the master for a successor. This worker serves until the successor is ready and the master sends TERM.
    func askForSuccessor(_ message: ControlMessage) {
        if !isLeaving { tellMaster(message) }
    }

    func tellMaster(_ message: ControlMessage) {
        var byte = message.rawValue
        _ = send(context.controlFileDescriptor, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    private func failToLoad(_ error: ApplicationError) {
        if let details = error.details { logs.write(details) }
        // gunicorn's words, for which people search their logs.
        let words = error.exitCode == ExitCode.workerBootFailed ? "Exception in worker process: " : ""
        logger.error("\(words)\(error)")
        report(error)
        guard let reloader else { return leave(error.exitCode) }
        reloader.appHasFailed()
        begin(FailedApplication(error), "without the app, until a file changes")
    }

    /// For whoever waits for this worker: the end of the text says most, and there is room for some of it.
    private func report(_ error: ApplicationError) {
        guard let failure = context.report?.failure else { return }
        let details = error.details.map { $0.hasSuffix("\n") ? $0 : $0 + "\n" } ?? ""
        failure.set(Array((details + error.description).utf8.suffix(failure.capacity)))
    }

    // MARK: Leaving

    /// The code that drives the loop has failed and has logged the reason.
    private func loopHasEnded() {
        checkDescriptors()
        logger.error("The worker's event loop has ended, and nobody had asked for it (pid: \(getpid()))")
        exitCode = ExitCode.failure
    }

    func leave(_ code: Int32) {
        if exitCode == nil {
            exitCode = code
            if code == ExitCode.success { tellMaster(.finished) }
        }
        loop.stop()
    }

    /// Stops accepting connections, and ends the worker when its open requests are answered.
    ///
    /// - Parameters:
    ///   - seconds: in which they must be; nil for the configured time.
    ///   - receivers: who takes connections; nil where nobody does.
    func drain(takesQueue: Bool, within seconds: Double? = nil, to receivers: Receivers?) {
        if isLeaving, let seconds { worker?.drain(timeout: seconds, takesQueue: takesQueue, to: receivers) }
        guard !isLeaving else { return }
        isLeaving = true
        patience?.stop()
        forgetListeners()
        guard let worker else { return leave(0) }
        worker.drain(
            timeout: min(seconds ?? .infinity, context.gracefulTimeout), takesQueue: takesQueue, to: receivers)
        tellMaster(.closed)
    }
}

// A worker from fork to exit: load the app, serve, and leave for one of five reasons: TERM (finish what runs),
// INT or QUIT (now), the master is gone, enough requests served, or the app did not load.

import EvLoop
import EvServer
import EvSupervisor
import Glibc
import Logging

@LoopActor
final class WorkerProcess {
    private let host: any ApplicationHost
    private let configuration: GatewayConfiguration
    private let context: WorkerContext
    private let logs: ProcessLogs
    private let loop: EventLoop
    private let logger: Logger

    private var worker: Worker?
    private var accessLog: AccessLog?
    private var signals: [SignalWatcher] = []
    private var control: IOWatcher?
    private var isLeaving = false
    private var exitCode: Int32?

    /// Runs the worker to its end and returns the exit code of the process.
    nonisolated static func run(
        host: any ApplicationHost, configuration: GatewayConfiguration, context: WorkerContext, logs: ProcessLogs
    ) -> Int32 {
        Fork.watch()
        do {
            let loop = try EventLoop()
            if host.drivesLoop(of: configuration) { try loop.becomeGuest() }
            LoopExecutor.shared.bind(to: loop)
            // The child of a fork has one thread, and from here on that thread is the loop's.
            nonisolated(unsafe) let (host, logs) = (host, logs)
            return LoopActor.assumeIsolated {
                WorkerProcess(host: host, configuration: configuration, context: context, logs: logs, loop: loop).run()
            }
        } catch {
            logs.logger.error("Cannot make the event loop", metadata: ["error": "\(error)"])
            return ExitCode.workerBootFailed
        }
    }

    private init(
        host: any ApplicationHost, configuration: GatewayConfiguration, context: WorkerContext, logs: ProcessLogs,
        loop: EventLoop
    ) {
        self.host = host
        self.configuration = configuration
        self.context = context
        self.logs = logs
        self.loop = loop
        logger = logs.logger
    }

    private func run() -> Int32 {
        watchSignals()
        watchMaster()
        boot()
        if exitCode == nil { host.run(loop) }
        host.shutdown()
        signals = []
        control = nil
        return exitCode ?? 0
    }

    // MARK: The app

    private func boot() {
        let environment = WorkerEnvironment(
            logger: logger, errorLog: logs.errorLog, index: context.index, age: context.age)
        do {
            let loaded = try host.makeApplication(configuration, worker: environment)
            // Only now: while Python imports the app, its lock must stay where it is.
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
        accessLog = logs.accessLog.map { AccessLog(file: $0, format: configuration.accessLogFormat) }
        let worker = Worker(
            loop: loop, configuration: configuration.server, listeners: context.listeners,
            application: application, slot: context.slot, siblings: context.siblings,
            accessLog: accessLog, logger: logger)
        worker.onFinished = { [unowned self] in LoopActor.assumeIsolated { self.leave(0) } }
        worker.onMaxRequests = { [unowned self] in
            LoopActor.assumeIsolated { self.askForSuccessor() }
        }
        self.worker = worker
        worker.start()
        tellMaster(.ready)
        logger.info("Worker ready (pid: \(getpid())): \(description)")
    }

    /// Goes on serving until a successor is ready and the master sends TERM.
    private func askForSuccessor() {
        guard !isLeaving else { return }
        logger.info("Worker has served its --max-requests (pid: \(getpid()))")
        tellMaster(.replaceMe)
    }

    private func tellMaster(_ message: ControlMessage) {
        var byte = message.rawValue
        _ = send(context.controlFileDescriptor, &byte, 1, Int32(MSG_NOSIGNAL))
    }

    private func failToLoad(_ error: ApplicationError) {
        if let details = error.details {
            var text = details.hasSuffix("\n") ? details : details + "\n"
            text.withUTF8 { logs.errorLog.write(UnsafeRawBufferPointer($0)) }
        }
        logger.error("\(error)")
        leave(error.exitCode)
    }

    // MARK: Leaving

    private func leave(_ code: Int32) {
        if exitCode == nil { exitCode = code }
        loop.stop()
    }

    /// Stops accepting and ends when the open requests have.
    private func drain() {
        guard !isLeaving else { return }
        isLeaving = true
        if let worker { worker.drain(timeout: context.gracefulTimeout) } else { leave(0) }
    }

    private func quit() {
        isLeaving = true
        if let worker { worker.quit() } else { leave(0) }
    }

    private func reopenLogs() {
        // Lines that wait belong to the file they were written for.
        accessLog?.flush()
        logs.reopen()
    }

    private func watchSignals() {
        watch(SIGTERM) { $0.drain() }
        watch(SIGINT) { $0.quit() }
        watch(SIGQUIT) { $0.quit() }
        watch(SIGUSR1) { $0.reopenLogs() }
        // HUP reaches the whole group when a terminal closes or an operator signals it; reloading is the master's.
        watch(SIGHUP) { _ in }
    }

    private func watch(_ number: Int32, _ action: @escaping @LoopActor (WorkerProcess) -> Void) {
        let watcher = SignalWatcher(loop, signal: number) { [unowned self] in
            LoopActor.assumeIsolated { action(self) }
        }
        watcher.start()
        signals.append(watcher)
    }

    private func watchMaster() {
        let descriptor = context.controlFileDescriptor
        let watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .read) { [unowned self] _ in
            LoopActor.assumeIsolated { self.masterSpoke() }
        }
        watcher.start()
        control = watcher
    }

    private func masterSpoke() {
        var byte: UInt8 = 0
        let count = recv(context.controlFileDescriptor, &byte, 1, Int32(MSG_DONTWAIT))
        if count > 0 || count < 0 && (errno == EAGAIN || errno == EINTR) { return }
        control?.stop()
        if !isLeaving { logger.warning("The master is gone: finishing open requests (pid: \(getpid()))") }
        drain()
    }
}

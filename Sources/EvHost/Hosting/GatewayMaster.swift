// The master from its settings to its exit code. The steps: folder, environment, app, logs, supervisor; each may fail.
// On the only thread of the process, and no Task is started before the fork.

import EvBus
import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Glibc
import Logging

final class GatewayMaster {
    let host: any ApplicationHost
    let reader: SettingsReader
    private let image: ProgramImage?
    var settings: Settings
    /// That of the settings, with the worker class that was chosen.
    var configuration: GatewayConfiguration
    var spool: SpoolConfiguration
    private(set) var isClassCertain = true
    private(set) var supervisor: Supervisor?
    let certificates = CertificateKeeper()
    /// As statsd was told last.
    private var measuredWorkers: Int?
    /// The variables that the configuration has set.
    private var variableNames: Set<String> = []
    /// That of the start.
    private let mask: mode_t
    /// What systemd has passed on.
    let activation = SocketActivation(environment: processEnvironment)
    /// Of the start, too: the variables may be changed by the settings.
    private let notifier = SystemdNotifier(environment: processEnvironment)
    private(set) var daemon: Daemon?
    /// As it was at the start, whatever a reload asks for.
    let isPreloaded: Bool
    let hasReusePort: Bool
    let adminToken: String?
    /// Of the keys of `--sticky`; made before the first fork that needs it.
    private var owners: OwnerTable?

    init(
        _ host: any ApplicationHost, _ reader: SettingsReader, _ image: ProgramImage?
    ) throws(ConfigurationError) {
        self.host = host
        self.reader = reader
        self.image = image
        settings = try host.readSettings(reader)
        configuration = settings.configuration
        // To look at the settings of another machine, its users need not be here.
        if !configuration.printsConfiguration { configuration = try settings.completed(activation) }
        spool = configuration.spool(environment: reader.environment)
        (isPreloaded, hasReusePort) = (configuration.preload, configuration.reusePort)
        adminToken = configuration.adminToken
        mask = umask(0)
        _ = umask(mask)
    }

    /// Returns the exit code of the process.
    func run() throws -> Int32 {
        try applyToProcess(settings)
        if configuration.printsConfiguration {
            print(ConfigurationText.text(settings), terminator: "")
            return 0
        }
        let loaded = try loadCertificates(settings)
        if configuration.checkOnly {
            try host.checkLog(settings)
            // As the workers will load it.
            try configuration.workerUser?.becomeWorker()
            try host.check(configuration)
            print("evgateway: configuration OK")
            return 0
        }
        certificates.take(loaded)
        // The next master is a child of a daemon already.
        guard configuration.isDaemon, image?.handover == nil else { return try serve() }
        guard host.givenSettings == nil else {
            throw ConfigurationError(
                settings.label(of: "daemon"), reason: "a program that calls the server goes into the background itself")
        }
        switch try Daemon.start(host.forkHooks, keepsStreams: configuration.keepsStreams) {
        case .starter(let code): return code
        case .daemon(let daemon):
            self.daemon = daemon
            return daemon.run(serve)
        }
    }

    private func serve() throws -> Int32 {
        setTitle()
        // It is for this process, and no program that the app starts.
        if activation != nil { host.setEnvironment(SocketActivation.variables.map { ($0, nil) }) }
        // Without this, a write to a closed connection would end the process. So it returns EPIPE.
        _ = signal(SIGPIPE, SIG_IGN)
        let logs = try ProcessLogs(settings)
        give(logs)
        tellHost(logs)
        try host.openLog(settings, logs.errorLog)
        logs.captureOutput()
        if configuration.preload { try host.preload(configuration) }
        logs.logger.info("Starting evgateway \(GatewayVersion.string) (\(host.name))")
        if let file = settings.fileRead { logs.logger.info("Configuration file: \(file)") }
        for note in settings.notes + reader.unknownVariables + idleHooks + groundNotes(settings, configuration) {
            logs.logger.warning("\(note)")
        }
        if configuration.reload {
            logs.logger.warning("--reload is for development: workers start anew when files of the app change")
        }
        chooseWorkerClass(logs.logger)
        prepareForWorkers(logs.logger)
        host.prepareToFork(configuration)
        let supervisor = makeSupervisor(logs)
        self.supervisor = supervisor
        // They hold each other, and the supervisor the loop with its descriptors.
        defer { self.supervisor = nil }
        let code = supervisor.run()
        logs.errorLog.finish()
        if code != 0, configuration.errorLogFile != "-" {
            printError("evgateway: ended with exit code \(code), see \(configuration.errorLogFile)")
        }
        return code
    }

    private func makeSupervisor(_ logs: ProcessLogs) -> Supervisor {
        Supervisor(
            configuration: supervisorConfiguration(configuration), logger: logs.logger, forkHooks: host.forkHooks,
            hooks: hooks(logs),
            onReopenLogs: { [self] in
                logs.reopen()
                give(logs)
                host.reopenLog()
            },
            writeText: { logs.write($0, level: $1) },
            reconfigure: { [self] in reconfigure(logs) }, notifier: notifier,
            onTurn: { [self] in turnEnded(isTick: $0, logs) }, handover: image?.handover,
            execute: image.map { image in { image.execute(handover: $0) } },
            admin: supervisorConfiguration(configuration).hasAdmin ? { [self] in runAdmin($0, logs) } : nil,
            worker: { [self] context in
                begin(context.index, logs.logger)
                return WorkerProcess.run(
                    host: host, configuration: configuration, spool: spool, context: context, logs: logs,
                    certificates: WorkerCertificates(
                        server: certificates.server, descriptor: certificates.descriptor),
                    owners: owners, reload: ReloadPlan(settings, reader), onServing: daemon.map { $0.detach })
            })
    }

    private func hooks(_ logs: ProcessLogs) -> SupervisorHooks {
        var hooks = SupervisorHooks(host) { [weak self] in self?.tellHost(logs) }
        hooks.inChild = { [certificates] in certificates.stopWatching() }
        let whenReady = hooks.whenReady
        hooks.whenReady = { [unowned self] in
            watchCertificates(logs)
            try whenReady()
        }
        hooks.serving = { [daemon] in
            guard let daemon else { return }
            daemon.isServing()
            logs.reopen()
        }
        return hooks
    }

    /// What the master measures, by gunicorn's names: the workers when their number changes, and once a second how many
    /// connections wait.
    private func turnEnded(isTick: Bool, _ logs: ProcessLogs) {
        if isTick { logs.errorLog.retry() }
        guard let metrics = logs.masterMetrics, let supervisor else { return }
        let workers = supervisor.workers.count
        if workers != measuredWorkers { metrics.gauge("gunicorn.workers", workers) }
        measuredWorkers = workers
        if isTick, configuration.measuresBacklog, let waiting = supervisor.acceptQueue?.waiting {
            metrics.histogram("gunicorn.backlog", waiting)
        }
        metrics.flush()
    }

    /// A sentence for each hook of the configuration that is never called.
    private var idleHooks: [String] {
        Hook.all.compactMap { hook in
            guard case .accepted(let reason) = hook.verdict, host.definedHooks.contains(hook.name) else { return nil }
            return "The hook \(hook.name) is never called: \(reason)"
        }
    }

    func supervisorConfiguration(_ configuration: GatewayConfiguration) -> SupervisorConfiguration {
        var supervisor = configuration.supervisor
        // What runs in Python before the fork may start a thread: the sitecustomize of a tracer (ddtrace-run), the
        // program that calls the server, a configuration file.
        if host.kind == .python { supervisor.toleratesThreads = true }
        return supervisor
    }

    /// What the whole process has of the settings: its folder, its umask, the environment. What an earlier
    /// configuration has set there is taken back.
    func applyToProcess(_ settings: Settings) throws(ConfigurationError) {
        let variables = try AppEnvironment.variables(settings.configuration, reader)
        try settings.enterFolder(reader)
        _ = umask(settings.configuration.umask.map { mode_t($0) } ?? mask)
        let former = variableNames.subtracting(variables.map(\.name)).sorted()
        host.setEnvironment(former.map { ($0, reader.environment($0)) } + variables.map { ($0.name, $0.value) })
        variableNames = Set(variables.map(\.name))
    }

    func tellHost(_ logs: ProcessLogs) {
        let addresses = supervisor?.addresses ?? []
        host.configured(
            SettingsInForce(
                settings: settings.values, binds: addresses.isEmpty ? configuration.binds.map(\.text) : addresses,
                application: configuration.application, logger: logs.logger, errorLog: logs.errorLog,
                workers: { [weak self] in self?.supervisor?.workers ?? [] }))
    }

    func chooseWorkerClass(_ logger: Logger) {
        let choice = host.chooseWorkerClass(for: configuration)
        configuration.workerClass = choice.workerClass
        isClassCertain = choice.isCertain
        logger.info("Using worker: \(choice.workerClass.rawValue)\(choice.reason.map { " (\($0))" } ?? "")")
    }

    /// Raises the limit of open files that the workers inherit, and warns of what they will miss.
    func prepareForWorkers(_ logger: Logger) {
        let connections = configuration.connections
        // Twice the connections: an app that waits for another server often opens one connection to it per request.
        DescriptorLimit.raise(to: 2 * connections + ownDescriptors)
        let limit = DescriptorLimit.current.soft
        if connections + ownDescriptors > limit {
            logger.warning(
                """
                --connections \(connections) does not fit the limit of \(limit) open files: \
                a worker holds about \(max(0, limit - ownDescriptors)) (ulimit -Hn, LimitNOFILE)
                """)
        }
        if 1..<configuration.workers ~= configuration.maxWorkers {
            logger.warning(
                "--max-workers \(configuration.maxWorkers) is less than --workers \(configuration.workers): no effect")
        }
        if configuration.sticky != nil, owners == nil {
            do throws(SystemError) {
                owners = try OwnerTable()
            } catch {
                logger.error("--sticky has no effect: \(error)")
            }
        }
        if configuration.workerClass.spoolsBodies {
            let check = { [self] in spool.check(logger) }
            if let user = configuration.workerUser { user.openingFiles(check) } else { check() }
        }
    }

    /// Descriptors that a worker may need besides its clients' connections: listeners, logs, the loop, modules being
    /// imported, and a way to send messages to every other process.
    private var ownDescriptors: Int {
        let slots = supervisorConfiguration(configuration).slotCount
        let masters = BusGround.masters(slots: slots, limit: DescriptorLimit.current.hard)
        return 64 + BusGround.descriptors(slots: slots, masters: masters).process
    }
}

extension SupervisorHooks {
    /// Those of the host's configuration.
    ///
    /// - Parameter tellAddresses: called when the master listens, if a hook may ask where.
    init(_ host: any ApplicationHost, tellAddresses: @escaping () -> Void) {
        // Each hook that fails has logged why.
        func call(_ moment: HookMoment, _ worker: WorkerIdentity? = nil, new: Int? = nil, old: Int? = nil) {
            try? host.callHook(moment, worker: worker, new: new, old: old)
        }
        self.init(
            onStarting: { try host.callHook(.onStarting, worker: nil, new: nil, old: nil) },
            whenReady: {
                if !host.definedHooks.isEmpty { tellAddresses() }
                try host.callHook(.whenReady, worker: nil, new: nil, old: nil)
            },
            onReload: { call(.onReload) }, preFork: { call(.preFork, $0) }, childExit: { call(.childExit, $0) },
            workersChanged: { call(.workersChanged, new: $0, old: $1) },
            preExec: { try host.callHook(.preExec, worker: nil, new: nil, old: nil) }, onExit: { call(.onExit) })
    }
}

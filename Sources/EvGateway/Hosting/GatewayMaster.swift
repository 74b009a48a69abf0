// The master from its settings to its exit code. The steps: folder, environment, app, logs, supervisor; each may fail.
// On the only thread of the process, and no Task is started before the fork.

import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Glibc
import Logging

final class GatewayMaster {
    private let host: any ApplicationHost
    private let reader: SettingsReader
    private var settings: Settings
    /// That of the settings, with the worker class that was chosen.
    private var configuration: GatewayConfiguration
    private var spool: SpoolConfiguration

    init(_ host: any ApplicationHost, _ reader: SettingsReader) throws(ConfigurationError) {
        self.host = host
        self.reader = reader
        settings = try Self.read(host, reader)
        configuration = settings.configuration
        spool = configuration.spool(environment: reader.environment)
    }

    private static func read(
        _ host: any ApplicationHost, _ reader: SettingsReader
    ) throws(ConfigurationError) -> Settings {
        var settings = try reader.read(looksForUsual: host.kind == .python, program: host.givenSettings) {
            (location, name, early) throws(ConfigurationError) in
            try enter(early, reader)
            do throws(PythonFileError) {
                return try host.readConfiguration(
                    location, pythonPath: early.configuration.pythonPath, known: Setting.namesInFiles)
            } catch {
                throw ConfigurationError(reason: error.reason, details: error.details ?? "")
            }
        }
        try settings.resolveWorkerClass(for: host.kind)
        if host.kind == .swift, let word = settings.configuration.application,
            settings.origin(of: "wsgi_app") == .commandLine
        {
            throw ConfigurationError(
                reason: "unexpected argument '\(word)': this program is the app; its own arguments go after '--'")
        }
        return settings
    }

    /// Changes to `--chdir`.
    private static func enter(_ settings: Settings, _ reader: SettingsReader) throws(ConfigurationError) {
        let folder = FilePath.absolute(settings.configuration.changeDirectory ?? ".", in: reader.startFolder)
        guard chdir(folder) == 0 else {
            throw ConfigurationError.cannotChange(to: folder, settings.label(of: "chdir"))
        }
    }

    /// Returns the exit code of the process.
    func run() throws -> Int32 {
        try Self.enter(settings, reader)
        if let mask = configuration.umask { _ = umask(mode_t(mask)) }
        host.setEnvironment(try AppEnvironment.variables(configuration, reader))
        if configuration.printsConfiguration {
            print(ConfigurationText.text(settings), terminator: "")
            return 0
        }
        if configuration.checkOnly {
            try host.check(configuration)
            print("evgateway: configuration OK")
            return 0
        }
        // Without this, a write to a closed connection would end the process. So it returns EPIPE.
        _ = signal(SIGPIPE, SIG_IGN)
        let logs = try ProcessLogs(settings)
        Gateway.install(logs.logger)
        host.configured(inForce(logs))
        if configuration.preload { try host.preload(configuration) }
        logs.logger.info("Starting evgateway \(GatewayVersion.string) (\(host.name))")
        if let file = settings.fileRead { logs.logger.info("Configuration file: \(file)") }
        for note in settings.notes + reader.unknownVariables { logs.logger.warning("\(note)") }
        chooseWorkerClass(logs.logger)
        provideDescriptors(for: configuration.connections, logs.logger)
        if configuration.workerClass.spoolsBodies { spool.check(logs.logger) }
        let supervisor = Supervisor(
            configuration: configuration.supervisor,
            logger: logs.logger,
            forkHooks: host.forkHooks,
            onReopenLogs: logs.reopen,
            worker: { [self] context in
                WorkerProcess.run(
                    host: host, configuration: configuration, spool: spool, context: context, logs: logs)
            })
        let code = supervisor.run()
        if code != 0, configuration.errorLogFile != "-" {
            printError("evgateway: ended with exit code \(code), see \(configuration.errorLogFile)")
        }
        return code
    }

    private func inForce(_ logs: ProcessLogs) -> SettingsInForce {
        SettingsInForce(
            settings: settings.values, binds: configuration.binds.map(\.text), application: configuration.application,
            logger: logs.logger, errorLog: logs.errorLog)
    }

    private func chooseWorkerClass(_ logger: Logger) {
        let choice = host.chooseWorkerClass(for: configuration)
        configuration.workerClass = choice.workerClass
        logger.info("Using worker: \(choice.workerClass.rawValue)\(choice.reason.map { " (\($0))" } ?? "")")
    }

    /// Raises the limit of open files that the workers inherit, and warns if it is too low for `connections`.
    private func provideDescriptors(for connections: Int, _ logger: Logger) {
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
    }

    /// Descriptors that a worker may need besides its clients' connections: listeners, logs, the loop, modules being
    /// imported.
    private let ownDescriptors = 64
}

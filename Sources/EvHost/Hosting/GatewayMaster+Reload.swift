// HUP: the sources of settings are read again. What has changed takes effect with the new workers; if anything cannot
// be used, nothing changes and the old workers go on.

import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Logging

extension GatewayMaster {
    /// What cannot change while the master lives, by name.
    private var fixed: Set<String> {
        let always: Set = [
            "config", "python", "preload_app", "reuse_port", "daemon", "enable_stdio_inheritance",
            "logger_class", "admin_bind", "admin_token", "publish_bind", "publish_key", "publish_token",
            "publish_limit", "bus",
        ]
        return isPreloaded || host.kind == .swift ? always.union(Self.ofTheApp) : always
    }
    /// What decides about the app. With --preload, and with a Swift app, the master has it already.
    private static let ofTheApp: Set = [
        "wsgi_app", "pythonpath", "paste", "raw_paste_global_conf", "factory", "interface", "worker_class", "threads",
    ]

    func reconfigure(_ logs: ProcessLogs) -> Reconfiguration {
        // A configuration file is executed in the folder of the command line.
        defer { try? settings.enterFolder(reader) }
        let fresh: Settings
        let complete: GatewayConfiguration
        let loaded: (material: TLSMaterial, server: TLSServer)?
        do throws(ConfigurationError) {
            fresh = try host.readSettings(reader)
            complete = try fresh.completed(activation)
            _ = try AppEnvironment.variables(fresh.configuration, reader)
            try fresh.enterFolder(reader)
            loaded = try loadCertificates(fresh)
            try logs.check(fresh)
            try host.checkLog(fresh)
        } catch {
            if !error.details.isEmpty { logs.write(error.details) }
            logs.logger.error("Reload refused: \(error); the workers go on with the configuration of before")
            return .refused(reason: "\(error)" + (error.details.isEmpty ? "" : "\n\(error.details)"))
        }
        guard fresh.values != settings.values else {
            take(fresh, complete, loaded, logs)
            return .keep
        }
        var wanted = supervisorConfiguration(complete)
        // Of this, the log speaks below.
        wanted.reusePort = hasReusePort
        return .changed(wanted) { [self] in take(fresh, complete, loaded, logs) }
    }

    /// What was checked may still fail, such as a handler that reaches no server: then the log is as before.
    private func openLog(_ fresh: Settings, _ logs: ProcessLogs) {
        do throws(ConfigurationError) {
            try host.openLog(fresh, logs.errorLog)
        } catch {
            logs.logger.error("\(error); the log goes on with the configuration of before")
        }
        logs.captureOutput()
    }

    /// The names of the settings that are not as before.
    private func changes(to fresh: Settings) -> [String] {
        zip(settings.values, fresh.values).filter { $0 != $1 }.map(\.0.name)
    }

    private func take(
        _ fresh: Settings, _ complete: GatewayConfiguration, _ loaded: (material: TLSMaterial, server: TLSServer)?,
        _ logs: ProcessLogs
    ) {
        let changes = changes(to: fresh)
        if !changes.isEmpty { logs.logger.info("Changed settings: \(changes.joined(separator: ", "))") }
        for name in changes where fixed.contains(name) {
            logs.logger.warning("\(fresh.label(of: name)) takes effect at the next start")
        }
        let told = settings.notes + groundNotes(settings, configuration)
        for note in fresh.notes + groundNotes(fresh, complete) where !told.contains(note) {
            logs.logger.warning("\(note)")
        }
        let chosen = configuration.workerClass
        (settings, configuration) = (fresh, complete)
        certificates.take(loaded)
        setTitle()
        do throws(ConfigurationError) {
            try applyToProcess(fresh)
            try logs.change(to: fresh)
            give(logs)
        } catch {
            // All of it has been tried before, so only a race with somebody else comes here.
            logs.logger.error("\(error)")
        }
        watchCertificates(logs)
        spool = configuration.spool(environment: reader.environment)
        tellHost(logs)
        openLog(fresh, logs)
        let isMended = configuration.reload && !isClassCertain
        if !isPreloaded, host.kind == .python, isMended || !Self.ofTheApp.isDisjoint(with: changes) {
            chooseWorkerClass(logs.logger)
        } else {
            configuration.workerClass = chosen
        }
        prepareForWorkers(logs.logger)
        // Again only for more workers than before; what is loaded already costs nothing.
        if changes.contains("workers") { host.prepareToFork(configuration) }
    }
}

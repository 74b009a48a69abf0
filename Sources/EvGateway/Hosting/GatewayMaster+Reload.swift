// HUP: the sources of settings are read again. What has changed takes effect with the new workers; if anything cannot
// be used, nothing changes and the old workers go on.

import EvLoop
import EvSettings
import EvSupervisor
import Logging

extension GatewayMaster {
    /// What cannot change while the master lives, by name.
    private static let fixed: Set = [
        "wsgi_app", "config", "python", "pythonpath", "paste", "raw_paste_global_conf", "factory", "interface",
        "preload_app", "reuse_port",
    ]

    func reconfigure(_ logs: ProcessLogs) -> Reconfiguration {
        let fresh: Settings
        do throws(ConfigurationError) {
            fresh = try host.readSettings(reader)
            try applyToProcess(fresh)
            try logs.check(fresh)
        } catch {
            if !error.details.isEmpty { logs.write(error.details) }
            logs.logger.error("Reload refused: \(error); the workers go on with the configuration of before")
            try? applyToProcess(settings)
            return .refused
        }
        var merged = fresh.configuration
        let workerClass = configuration.workerClass
        // The class that was chosen stays, unless another is asked for now.
        if merged.workerClass == settings.configuration.workerClass { merged.workerClass = workerClass }
        let new = MasterValues(settings: fresh, configuration: merged)
        guard fresh.values != settings.values || !fresh.notes.isEmpty else {
            take(new, logs)
            return .keep
        }
        var wanted = merged.supervisor
        wanted.toleratesThreads = supervisorConfiguration.toleratesThreads
        return .changed(wanted) { [self] in
            for name in changes(to: fresh) where Self.fixed.contains(name) {
                logs.logger.warning("\(fresh.label(of: name)) takes effect at the next start")
            }
            take(new, logs)
        }
    }

    private struct MasterValues {
        let settings: Settings
        let configuration: GatewayConfiguration
    }

    /// The names of the settings that are not as before.
    private func changes(to fresh: Settings) -> [String] {
        zip(settings.values, fresh.values).filter { $0 != $1 }.map(\.0.name)
    }

    private func take(_ new: MasterValues, _ logs: ProcessLogs) {
        let changes = changes(to: new.settings)
        if !changes.isEmpty {
            logs.logger.info("Changed settings: \(changes.joined(separator: ", "))")
        }
        do {
            try logs.change(to: new.settings)
        } catch {
            // They have been tried before, so only a race with somebody else comes here.
            logs.logger.error("\(error)")
        }
        let notesBefore = settings.notes
        for note in new.settings.notes where !notesBefore.contains(note) { logs.logger.warning("\(note)") }
        (settings, configuration) = (new.settings, new.configuration)
        spool = configuration.spool(environment: reader.environment)
        tellHost(logs)
        prepareForWorkers(logs.logger)
    }
}

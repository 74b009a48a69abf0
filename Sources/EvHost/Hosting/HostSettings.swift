// What a host knows of settings and hooks. A Python host executes configuration files, gives what a program has passed
// to `evgateway.serve()`, and calls gunicorn's hooks; a Swift app has none of these.

package import EvSettings
package import EvSupervisor
package import Logging

/// The hooks of gunicorn that a host calls, by gunicorn's names. `pre_request` and `post_request` are called around the
/// app, in Python.
package enum HookMoment: String, CaseIterable, Sendable {
    case onStarting = "on_starting"
    case onReload = "on_reload"
    case whenReady = "when_ready"
    case preFork = "pre_fork"
    case postFork = "post_fork"
    case postWorkerInit = "post_worker_init"
    case workerInt = "worker_int"
    /// A Python host calls it by itself, from the handler of ABRT: the loop hangs then.
    case workerAbort = "worker_abort"
    case preExec = "pre_exec"
    case childExit = "child_exit"
    case workerExit = "worker_exit"
    case workersChanged = "nworkers_changed"
    case onExit = "on_exit"
}

/// The settings in force, for the `cfg` of hooks, and what hooks may ask of the master.
package struct SettingsInForce {
    /// All settings, by gunicorn's names.
    package var settings: [FileSetting]
    /// The addresses that are listened to, as `--bind` takes them.
    package var binds: [String]
    /// APP as it was given.
    package var application: String?
    /// Where hooks and `logging.getLogger("gunicorn.error")` log to; its level is theirs.
    package var logger: Logger
    package var errorLog: ErrorLog
    /// The workers that live now; nil: what hooks were told of.
    package var workers: (() -> [WorkerIdentity])?

    package init(
        settings: [FileSetting], binds: [String], application: String?, logger: Logger, errorLog: ErrorLog,
        workers: (() -> [WorkerIdentity])? = nil
    ) {
        self.settings = settings
        self.binds = binds
        self.application = application
        self.logger = logger
        self.errorLog = errorLog
        self.workers = workers
    }
}

// What a host of an app does for settings and hooks, in its own language. A Swift host does nothing of it.

/// A configuration file in Python that cannot be used.
package struct PythonFileError: Error, Equatable {
    /// One line, which begins with `FILE:LINE: ` where the line is known.
    package let reason: String
    /// A traceback, or nil.
    package let details: String?

    package init(_ reason: String, details: String? = nil) {
        self.reason = reason
        self.details = details
    }
}

/// The moments at which hooks of a configuration file are called; the raw value is gunicorn's name. Those of requests
/// are the host's own affair.
package enum HookMoment: String, CaseIterable, Sendable {
    case onStarting = "on_starting"
    case onReload = "on_reload"
    case whenReady = "when_ready"
    case preFork = "pre_fork"
    case postFork = "post_fork"
    case postWorkerInit = "post_worker_init"
    case workerInt = "worker_int"
    case workerAbort = "worker_abort"
    case preExec = "pre_exec"
    case childExit = "child_exit"
    case workerExit = "worker_exit"
    case workersChanged = "nworkers_changed"
    case onExit = "on_exit"
}

/// A worker, as hooks are told of it.
package struct HookWorker: Equatable, Sendable {
    /// From 0.
    package var index: Int
    /// Its ordinal among all workers of the master, from 1.
    package var age: Int
    /// 0 before the fork.
    package var pid: Int32

    package init(index: Int, age: Int, pid: Int32) {
        self.index = index
        self.age = age
        self.pid = pid
    }
}

// What the embedder may add at the turning points of a master's life. The names and the moments are gunicorn's.
// The master calls hooks between two events and never inside a callback of the loop. A hook may block, which delays
// everything else that the master does, and it may start processes.
import EvLoop
import Glibc

/// Called in the master only.
package struct SupervisorHooks {
    /// Before sockets are opened. An error ends the master with ``ExitCode/failure``.
    package var onStarting: () throws -> Void
    /// The sockets are open, and no worker has been started. An error ends the master with ``ExitCode/failure``.
    package var whenReady: () throws -> Void
    /// The first worker is ready.
    package var serving: () -> Void
    /// A reload begins: the configuration is the new one, and no worker has been started with it.
    package var onReload: () -> Void
    /// Before a worker is forked; its `pid` is 0.
    package var preFork: (WorkerIdentity) -> Void
    /// In a child, before it leaves the master's loop: watchers of the embedder's own must stop here.
    package var inChild: () -> Void = {}
    /// A worker has ended.
    package var childExit: (WorkerIdentity) -> Void
    /// The wanted number of workers has changed. At the start, and only then, there is no old number.
    package var workersChanged: (_ new: Int, _ old: Int?) -> Void
    /// In the new process that USR2 has made, before it executes the next master. An error ends it.
    package var preExec: () throws -> Void
    /// The last call: all workers are gone, and so are the pid file and the sockets. It comes whenever `onStarting` was
    /// called, also when the master could not start.
    package var onExit: () -> Void

    package init(
        onStarting: @escaping () throws -> Void = {}, whenReady: @escaping () throws -> Void = {},
        serving: @escaping () -> Void = {}, onReload: @escaping () -> Void = {},
        preFork: @escaping (WorkerIdentity) -> Void = { _ in },
        childExit: @escaping (WorkerIdentity) -> Void = { _ in },
        workersChanged: @escaping (_ new: Int, _ old: Int?) -> Void = { _, _ in },
        preExec: @escaping () throws -> Void = {}, onExit: @escaping () -> Void = {}
    ) {
        self.onStarting = onStarting
        self.whenReady = whenReady
        self.serving = serving
        self.onReload = onReload
        self.preFork = preFork
        self.childExit = childExit
        self.workersChanged = workersChanged
        self.preExec = preExec
        self.onExit = onExit
    }
}

/// A worker as hooks see it.
package struct WorkerIdentity: Equatable, Sendable {
    /// Its place, from 0 to one less than the number of workers.
    package let index: Int
    /// Its ordinal among all workers that this master has started, from 1.
    package let age: Int
    /// The process id; 0 before the fork.
    package let pid: Int32

    package init(index: Int, age: Int, pid: Int32) {
        self.index = index
        self.age = age
        self.pid = pid
    }
}

extension Supervisor {
    /// Calls code of the embedder. If that code forks and the copy returns from it, the copy must not act as a master.
    func call<Result>(_ hook: () throws -> Result) rethrows -> Result {
        let master = getpid()
        defer { if getpid() != master { Fork.exitChild(ExitCode.success) } }
        return try hook()
    }
}

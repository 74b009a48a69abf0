// The app's own Python interpreter as the gateway's host. Law: the master never imports the app unless it is told to
// preload it; a worker that leaves says farewell to the app (atexit), but never finalises the interpreter: _exit
// follows, and the threads of an app cannot be relied upon to end.

import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import EvSettings
import Glibc

final class PythonHost: ApplicationHost {
    let kind = AppKind.python

    var name: String {
        let executable = String(cString: evg_py_executable())
        return "CPython " + String(cString: evg_py_version()).prefix { $0 != " " }
            + (executable.isEmpty ? "" : ", \(executable)")
    }

    var forkHooks: ForkHooks {
        ForkHooks(
            before: { evg_py_before_fork() },
            inParent: { evg_py_after_fork_in_parent() },
            inChild: { evg_py_after_fork_in_child() })
    }

    /// The pool's threads run Python, and the loop's does not.
    var servesOnThreads = false

    var pollHooks: PollHooks? {
        servesOnThreads ? nil : PollHooks(release: { evg_py_gil_release() }, acquire: { evg_py_gil_acquire() })
    }

    func check(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        if configuration.workerClass == .gevent { try prepareGevent(configuration) }
        try load(configuration)
    }

    func preload(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        if configuration.workerClass == .gevent { try prepareGevent(configuration) }
        try load(configuration)
    }

    @LoopActor func makeApplication(
        _ configuration: GatewayConfiguration, worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        ErrorSink.install(worker)
        // A worker that is killed for hanging, or crashes, shows its Python stacks there.
        evg_py_worker_started(worker.errorLog.fileDescriptor)
        switch configuration.workerClass {
        case .threads: return try loadThreads(configuration, worker)
        case .gevent: return try loadGevent(configuration, worker)
        case .asgi: return try loadASGI(configuration, worker)
        case .auto, .inline, .swift: return try loadInline(configuration)
        }
    }

    func drivesLoop(of configuration: GatewayConfiguration) -> Bool {
        configuration.workerClass == .gevent || configuration.workerClass == .asgi
    }

    func run(_ loop: EventLoop) {
        if loop.isGuest { runGuest(loop) } else if servesOnThreads { runBesideThreads(loop) } else { loop.run() }
    }

    func shutdown() {
        evg_py_worker_ended()
    }

    func load(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        guard let locator = configuration.application else {
            throw ApplicationError("APP is missing: module:attribute or path/file.py", exitCode: 1)
        }
        expect(configuration)
        var failure = evg_py_load_failure()
        let path = configuration.pythonPath.joined(separator: ",")
        let isLoaded = withCStrings(configuration.applicationArguments) { arguments in
            evg_py_load_app(locator, path, arguments, &failure)
        }
        if isLoaded { return }
        let traceback = String(cString: failure.traceback)
        throw ApplicationError(
            String(cString: failure.message), exitCode: failure.exit_code,
            details: traceback.isEmpty ? nil : traceback)
    }

    /// What the worker class calls, unless the operator knows better than the looks of the app.
    private func expect(_ configuration: GatewayConfiguration) {
        switch configuration.workerClass {
        case .asgi: evg_py_expect("asgi", configuration.interface != .auto)
        case .inline, .threads, .gevent: evg_py_expect("wsgi", configuration.interface != .auto)
        case .auto, .swift: evg_py_expect("", configuration.interface != .auto)
        }
    }
}

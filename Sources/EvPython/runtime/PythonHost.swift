// The app's own Python interpreter as the gateway's host. Law: the master never imports the app unless it is told to
// preload it; a worker that leaves says farewell to the app (atexit), but never finalises the interpreter: _exit
// follows, and the threads of an app cannot be relied upon to end.

import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import Glibc

final class PythonHost: ApplicationHost {
    let kind = AppKind.python

    /// The hooks that there are, by gunicorn's names.
    var hooks: Set<String> = []
    package var definedHooks: Set<String> { hooks }
    /// False in the master, which may load the app, too.
    private var isWorker = false

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
        _ = Self.ask("host", "preloaded", .none)
    }

    @LoopActor func makeApplication(
        _ configuration: GatewayConfiguration, worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        ErrorSink.install(worker.logger, worker.errorLog)
        HostAnswers.begin(worker)
        isWorker = true
        if let watch = worker.watchFile {
            HostAnswers.watchFile = watch
            _ = Self.ask("reloading", "begin", .none)
        }
        // A worker that is killed for hanging, or crashes, shows its Python stacks there.
        evg_py_worker_started(worker.errorLog.fileDescriptor)
        if let descriptor = worker.stackDescriptor { writeStacks(to: descriptor) }
        PythonLog.beginWorker(beside: configuration.workerClass == .threads)
        switch configuration.workerClass {
        case .threads: return try loadThreads(configuration, worker)
        case .gevent: return try loadGevent(configuration, worker)
        case .asgi: return try loadASGI(configuration, worker)
        case .auto, .inline, .swift: return try loadInline(configuration)
        }
    }

    func logsVariables(_ names: [[UInt8]]) {
        Array(names.joined(separator: [0])).withUnsafeBytes { evg_py_want_variables(evg_py_text($0)) }
    }

    func drivesLoop(of configuration: GatewayConfiguration) -> Bool {
        configuration.workerClass == .gevent || configuration.workerClass == .asgi
    }

    func run(_ loop: EventLoop) {
        if loop.isGuest { runGuest(loop) } else if servesOnThreads { runBesideThreads(loop) } else { loop.run() }
    }

    func shutdown() {
        PythonLog.endWorker()
        evg_py_worker_ended()
    }

    func load(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        guard let locator = configuration.application else {
            throw ApplicationError("APP is missing: module:attribute or path/file.py", exitCode: 1)
        }
        expect(configuration)
        var failure = evg_py_load_failure()
        if withSource(configuration, locator, { evg_py_load_app($0, &failure) }) {
            if isWorker { try wrapWithHooks(configuration) }
            return
        }
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

    /// Calls with what the bridge needs to find the app.
    func withSource<Result>(
        _ configuration: GatewayConfiguration, _ locator: String,
        _ body: (UnsafePointer<evg_py_app_source>) -> Result
    ) -> Result {
        let path = configuration.pythonPath.joined(separator: ",")
        return withCStrings(configuration.applicationArguments) { arguments in
            locator.withCString { locator in
                path.withCString { path in
                    var source = evg_py_app_source(
                        locator: locator, pythonpath: path, arguments: arguments, factory: configuration.isFactory)
                    return body(&source)
                }
            }
        }
    }
}

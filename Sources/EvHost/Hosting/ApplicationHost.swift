// What a host of an app provides. The order in a process is: `check` or `preload` in the master; then in each worker
// `makeApplication` and the preparation that it returns, requests, `shutdown`.

package import EvBus
package import EvLoop
package import EvServer
package import EvSettings
package import EvSupervisor
import Glibc
package import Logging

/// The app cannot be served. Holds the exit code of the process.
package struct ApplicationError: Error, Equatable, CustomStringConvertible {
    /// A worker failed to boot for another reason than its app.
    package static let bootFailure: Int32 = 3
    /// The app failed to load.
    package static let loadFailure: Int32 = 4

    /// One line, without a trailing full stop.
    package let reason: String
    package let exitCode: Int32
    /// Further lines, usually a traceback; written to the error log before the reason.
    package let details: String?

    package init(_ reason: String, exitCode: Int32 = ApplicationError.loadFailure, details: String? = nil) {
        self.reason = reason
        self.exitCode = exitCode
        self.details = details
    }

    package var description: String { reason }
}

/// What a worker gives to the app's host.
package struct WorkerEnvironment {
    package let logger: Logger
    package let errorLog: ErrorLog
    /// The worker's position among the workers, from 0.
    package let index: Int
    /// How many workers the master had started before this one.
    package let age: Int
    /// Its record, which counts its connections and requests.
    package let slot: ScoreboardSlot
    /// Messages to and from the other processes.
    package let bus: Bus
    /// The pipe for what is written at the signals of `StackSignal`; see `WorkerContext`.
    package let stackDescriptor: Int32?
    /// With `--reload`: watches a file of the app, which is to be named before it is read. On any thread.
    package let watchFile: (@Sendable (String) -> Void)?
    /// Asks for a worker in place of this one, which serves until the new one is ready and then leaves. The caller logs
    /// why.
    package let replaceWorker: @LoopActor () -> Void
}

/// An app that is ready to answer, or will be once its preparation has returned.
package struct LoadedApplication {
    enum Source {
        case ready(any Application)
        case preparing(@LoopActor () async throws -> any Application)
    }

    let source: Source
    /// For the start-up line: what the app is and how it is called.
    package let description: String

    package init(application: any Application, description: String) {
        source = .ready(application)
        self.description = description
    }

    /// - Parameter prepare: runs on the loop before the worker accepts. If it throws, the app has failed to load.
    package init(description: String, preparing prepare: @escaping @LoopActor () async throws -> any Application) {
        source = .preparing(prepare)
        self.description = description
    }
}

/// C functions that are called right before and right after the loop waits for events. Python releases its lock for
/// that time.
package struct PollHooks {
    package let release: @convention(c) () -> Void
    package let acquire: @convention(c) () -> Void

    package init(release: @escaping @convention(c) () -> Void, acquire: @escaping @convention(c) () -> Void) {
        self.release = release
        self.acquire = acquire
    }
}

/// The program that holds the app: a Swift executable, or a Python interpreter.
package protocol ApplicationHost: AnyObject {
    var kind: AppKind { get }
    /// The name in the first line of the master's log.
    var name: String { get }
    var forkHooks: ForkHooks { get }
    var pollHooks: PollHooks? { get }

    /// `--check-config`: finds out whether the app can be loaded, without serving it.
    func check(_ configuration: GatewayConfiguration) throws(ApplicationError)
    /// `--preload`: loads the app in the master.
    func preload(_ configuration: GatewayConfiguration) throws(ApplicationError)
    /// In the master, after `preload`: returns the class that `auto` means for this app. A reload keeps the choice.
    func chooseWorkerClass(for configuration: GatewayConfiguration) -> WorkerClassChoice
    /// In the master, with the class that was chosen, before it listens: loads what all workers may share.
    func prepareToFork(_ configuration: GatewayConfiguration)
    /// In the worker, after the fork, outside of any Task.
    @LoopActor func makeApplication(
        _ configuration: GatewayConfiguration, worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication
    /// In the worker, when its app is loaded: what logs requests in the app's language, in place of the access log's
    /// files; nil if nothing does.
    @LoopActor func accessLogObserver(of configuration: GatewayConfiguration) -> (any AccessLogObserver)?
    /// In the worker, when its app is loaded: the access log shows these variables of the app's environ. A host whose
    /// apps have one sets `Exchange.loggedVariables`.
    @LoopActor func logsVariables(_ names: [[UInt8]])
    /// In the worker: finds out what the app's code does now. Nothing waits for code that does not let go of its
    /// language's lock.
    ///
    /// - Parameters:
    ///   - exchanges: whose code is wanted; nil for all, also what serves no request.
    ///   - deliver: called once, later as a rule, with what could be found.
    @LoopActor func collectStacks(of exchanges: [Exchange]?, _ deliver: @escaping @LoopActor (CodeStacks) -> Void)
    /// Returns true if another loop (gevent's hub, asyncio) is to drive the worker's loop as its guest.
    func drivesLoop(of configuration: GatewayConfiguration) -> Bool
    /// In the worker: serves until `loop.stop()`. A host that drives the loop pumps it here.
    func run(_ loop: EventLoop)
    /// In the worker, when its loop has ended.
    func shutdown()

    // Settings and hooks: see HostSettings.swift. All but `callHook` in the master only.

    /// Becomes another interpreter with the same command line, unless the process is it already. Returns why it cannot.
    func enter(interpreter: String) -> String?
    /// Executes a configuration file in Python, each time anew. The hooks of the first file are in force at once, those
    /// of a later one from `configured` on. The folder that relative paths refer to is the working folder.
    ///
    /// - Parameters:
    ///   - location: a path, `file:PATH` or `python:MODULE`.
    ///   - pythonPath: what comes before the working folder's modules on `sys.path`.
    ///   - known: what a name in the file is: "setting", "hook", or, for a usual mistake, the name to write instead.
    /// - Throws: one line that begins with `FILE:LINE: ` where the line is known; the traceback begins in the file.
    func readConfiguration(
        _ location: String, pythonPath: [String], known: [String: String]
    ) throws(ConfigurationError) -> [FileSetting]
    /// What a program gave to `evgateway.serve()`; nil if there is no such program.
    var givenSettings: [FileSetting]? { get }
    /// Sets variables in environ(7), and in `os.environ`; one without a value is removed.
    func setEnvironment(_ variables: [(name: String, value: String?)])
    /// Tells the settings in force: at start before the first hook, and after each reload.
    func configured(_ settings: SettingsInForce)
    /// Lets settings decide whether the app's language writes the log (`ErrorLog.relay`), at the start and at reloads.
    /// If it throws, the log is as before. Comes before what the app prints is captured.
    func openLog(_ settings: Settings, _ log: ErrorLog) throws(ConfigurationError)
    /// Throws what `openLog` would for settings that are not in force yet, as far as that can be known.
    func checkLog(_ settings: Settings) throws(ConfigurationError)
    /// In the master and in workers: opens the files of the language's own log again, after a rotation.
    func reopenLog()
    /// Calls a hook, if there is one. It throws if the process must not go on: a failure in `onStarting`, `whenReady`
    /// and `preExec` (exit code 1), `postFork` and `postWorkerInit` (exit code 3). Every failure is in the error log
    /// with its traceback when this returns.
    ///
    /// - Parameters:
    ///   - worker: that the hook is about; its `pid` is 0 before the fork.
    ///   - new: for `workersChanged`, as `old`, which is nil at the start.
    func callHook(_ moment: HookMoment, worker: WorkerIdentity?, new: Int?, old: Int?) throws(ApplicationError)
    /// The moments, by gunicorn's names, at which `callHook` has something to do.
    var definedHooks: Set<String> { get }
}

extension ApplicationHost {
    package var forkHooks: ForkHooks { ForkHooks() }
    package var pollHooks: PollHooks? { nil }
    package func check(_ configuration: GatewayConfiguration) throws(ApplicationError) {}
    package func preload(_ configuration: GatewayConfiguration) throws(ApplicationError) {}
    package func chooseWorkerClass(for configuration: GatewayConfiguration) -> WorkerClassChoice {
        WorkerClassChoice(configuration.workerClass)
    }
    package func prepareToFork(_ configuration: GatewayConfiguration) {}
    package func accessLogObserver(of configuration: GatewayConfiguration) -> (any AccessLogObserver)? { nil }
    package func logsVariables(_ names: [[UInt8]]) {}
    @LoopActor package func collectStacks(
        of exchanges: [Exchange]?, _ deliver: @escaping @LoopActor (CodeStacks) -> Void
    ) {
        deliver(CodeStacks())
    }
    package func shutdown() {}
    package func drivesLoop(of configuration: GatewayConfiguration) -> Bool { false }
    package func run(_ loop: EventLoop) { loop.run() }

    package func readConfiguration(
        _ location: String, pythonPath: [String], known: [String: String]
    ) throws(ConfigurationError) -> [FileSetting] {
        throw ConfigurationError(location, reason: "a configuration file in Python is for Python apps")
    }
    package func enter(interpreter: String) -> String? { nil }
    package var givenSettings: [FileSetting]? { nil }
    package func setEnvironment(_ variables: [(name: String, value: String?)]) {
        for (name, value) in variables {
            if let value { setenv(name, value, 1) } else { unsetenv(name) }
        }
    }
    package func configured(_ settings: SettingsInForce) {}
    package func openLog(_ settings: Settings, _ log: ErrorLog) throws(ConfigurationError) {}
    package func checkLog(_ settings: Settings) throws(ConfigurationError) {}
    package func reopenLog() {}
    package func callHook(
        _ moment: HookMoment, worker: WorkerIdentity?, new: Int?, old: Int?
    ) throws(ApplicationError) {}
    package var definedHooks: Set<String> { [] }
}

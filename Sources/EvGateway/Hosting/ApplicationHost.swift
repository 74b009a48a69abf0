// What a host of an app provides. The order in a process is: `check` or `preload` in the master; then in each worker
// `makeApplication` and the preparation that it returns, requests, `shutdown`.

package import EvLoop
package import EvServer
package import EvSettings
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
    /// In the worker, after the fork, outside of any Task.
    @LoopActor func makeApplication(
        _ configuration: GatewayConfiguration, worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication
    /// Returns true if another loop (gevent's hub, asyncio) is to drive the worker's loop as its guest.
    func drivesLoop(of configuration: GatewayConfiguration) -> Bool
    /// In the worker: serves until `loop.stop()`. A host that drives the loop pumps it here.
    func run(_ loop: EventLoop)
    /// In the worker, when its loop has ended.
    func shutdown()

    // MARK: settings and hooks

    /// The settings that the program gives that has called the server.
    var givenSettings: [FileSetting] { get }
    /// Executes a configuration file in Python, anew each time, and takes its hooks.
    ///
    /// - Parameters:
    ///   - location: an absolute path or `python:MODULE`.
    ///   - pythonPath: folders to look for modules in, before Python's own.
    ///   - known: the names that mean something: `setting`, `hook`, or the right name where it is a usual mistake.
    func readConfiguration(
        _ location: String, pythonPath: [String], known: [String: String]
    ) throws(PythonFileError) -> [FileSetting]
    /// Changes the environment of the app.
    func setEnvironment(_ variables: [(name: String, value: String)])
    /// Tells hooks and the app what the settings in force are, at the start and after each reload.
    func configured(_ settings: [FileSetting], logLevel: LogLevel)
    /// The hooks that the configuration has, by their names.
    var definedHooks: Set<String> { get }
    /// Calls a hook; `new` and `old` are numbers of workers.
    ///
    /// - Throws: where a hook that fails ends the process.
    func callHook(_ moment: HookMoment, worker: HookWorker?, new: Int?, old: Int?) throws(ApplicationError)
}

extension ApplicationHost {
    package var forkHooks: ForkHooks { ForkHooks() }
    package var pollHooks: PollHooks? { nil }
    package func check(_ configuration: GatewayConfiguration) throws(ApplicationError) {}
    package func preload(_ configuration: GatewayConfiguration) throws(ApplicationError) {}
    package func chooseWorkerClass(for configuration: GatewayConfiguration) -> WorkerClassChoice {
        WorkerClassChoice(configuration.workerClass)
    }
    package func shutdown() {}
    package func drivesLoop(of configuration: GatewayConfiguration) -> Bool { false }
    package func run(_ loop: EventLoop) { loop.run() }
    package var givenSettings: [FileSetting] { [] }
    package func readConfiguration(
        _ location: String, pythonPath: [String], known: [String: String]
    ) throws(PythonFileError) -> [FileSetting] {
        throw PythonFileError("a configuration file in Python is for Python apps: write it in TOML")
    }
    package func setEnvironment(_ variables: [(name: String, value: String)]) {
        for variable in variables { setenv(variable.name, variable.value, 1) }
    }
    package func configured(_ settings: [FileSetting], logLevel: LogLevel) {}
    package var definedHooks: Set<String> { [] }
    package func callHook(
        _ moment: HookMoment, worker: HookWorker?, new: Int?, old: Int?
    ) throws(ApplicationError) {}
}

// The library's entry point: what a Swift app's `main` calls. An app imports this module and no other.

import EvHost
@_exported public import EvLoop
import Glibc
@_exported public import HTTPTypes
@_exported public import Logging
import Synchronization

/// Serves a Swift app; see <doc:WritingAnApp>.
public enum Gateway {
    /// Serves `handler` as the command line asks, until the process is told to stop.
    ///
    /// - Note: the process forks its workers. Start no thread and no `Task` before the call.
    public static func main(_ handler: @escaping RequestHandler) -> Never {
        run(SwiftHost(.ready(handler)))
    }

    /// Serves a handler that has no `await` in it: on the loop and without a task, at half the price.
    ///
    /// - Note: the process forks its workers. Start no thread and no `Task` before the call.
    public static func main(_ handler: @escaping ImmediateHandler) -> Never {
        run(SwiftHost(.immediate(handler)))
    }

    /// Serves the handler that `makeHandler` returns. It runs once in every worker, before the worker accepts
    /// connections: the place to open what a worker needs. An error that it throws ends the worker with exit code 4.
    public static func main(preparing makeHandler: @escaping @Sendable () async throws -> RequestHandler) -> Never {
        run(SwiftHost(.made(by: makeHandler)))
    }

    /// Runs `action` in this worker, on the loop, when the worker begins to leave: after a stop, or when a reload has
    /// replaced it. The worker accepts no more connections and waits up to `--graceful-timeout` for its requests. An
    /// app that holds requests should answer them in `action`, which runs once, however often the worker is told to
    /// leave. Call this while the handler is made.
    @LoopActor public static func onLeave(_ action: @escaping @LoopActor () -> Void) { WorkerLeave.add(action) }

    /// Whether this worker leaves, or will as soon as `--shutdown-delay` is over: a health check answers 503 then.
    public static var isLeaving: Bool { slot.withLock { $0?.isToLeave == true } }

    static let slot = Mutex<ScoreboardSlot?>(nil)

    /// The app's own arguments: the words after `--` on the command line.
    public static var arguments: [String] {
        Array(CommandLine.arguments.drop { $0 != "--" }.dropFirst())
    }

    /// The version of evgateway, `0.1.0`.
    public static var version: String { GatewayVersion.string }

    /// Writes to the error log (`--error-logfile`) at the level of `--log-level`.
    public static var logger: Logger { installed.withLock { $0 } }

    private static let installed = Mutex(Logger(label: "evgateway"))

    static func install(_ logger: Logger) {
        installed.withLock { $0 = logger }
    }

    private static func run(_ host: SwiftHost) -> Never {
        exit(runGateway(host: host, arguments: Array(CommandLine.arguments.dropFirst())))
    }
}

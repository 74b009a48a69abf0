// An ASGI callable on asyncio, the loop as its guest. Law: a request that arrives is only noted here; asgi/worker.c
// makes a task of it when the pump is over. Nothing of Python runs while Swift holds an access open or inside a Swift
// task.

import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import HTTPCore
import Logging

extension PythonHost {
    @LoopActor func loadASGI(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        try load(configuration)
        var name: UnsafePointer<CChar>?
        let timeout = configuration.gracefulTimeout
        let application = ASGIApplication(rootPath: configuration.rootPath, worker.logger)
        ASGIApplication.current = application
        guard evg_asgi_prepare(configuration.asgiLoop.rawValue, configuration.lifespan.rawValue, timeout, &name) else {
            throw ApplicationError("the event loop for ASGI cannot be had", exitCode: ApplicationError.bootFailure)
        }
        let loop = name.map { String(cString: $0) } ?? "asyncio"
        return LoadedApplication(description: "ASGI app \(configuration.application ?? "") on \(loop)") {
            try await application.started()
            return application
        }
    }
}

@LoopActor
final class ASGIApplication: Application {
    /// The one of this worker.
    static var current: ASGIApplication?

    let logger: Logger
    private let rootPath: String
    private var scopes: [(listener: Int32, scope: OpaquePointer)] = []

    /// Monotonic seconds at which the worker has to be gone.
    private(set) var leavesBefore = Double.infinity

    private enum Startup {
        case pending(CheckedContinuation<Void, any Error>?)
        case over(ApplicationError?)
    }
    private var startup = Startup.pending(nil)

    init(rootPath: String, _ logger: Logger) {
        self.rootPath = rootPath
        self.logger = logger
    }

    func begin(_ exchange: Exchange) {
        guard exchange.readHandshake() else { return }
        guard let scope = scope(for: exchange) else { return exchange.refuse(.empty, status: 500) }
        evg_asgi_accept(exchange.retainedForC(), scope, exchange.offer != nil)
    }

    func workerLeaves(before deadline: Double) {
        leavesBefore = deadline
        // Told of when the pump is over.
        evg_py_leave()
    }

    /// Waits for the app's own start-up (lifespan).
    fileprivate func started() async throws {
        if case .over(let error) = startup {
            if let error { throw error }
            return
        }
        try await withCheckedThrowingContinuation { startup = .pending($0) }
    }

    func startupEnded(_ error: ApplicationError?) {
        guard case .pending(let continuation) = startup else { return }
        startup = .over(error)
        if let error { continuation?.resume(throwing: error) } else { continuation?.resume() }
    }

    /// One template scope for each listening socket; nil when it cannot be made, which the bridge has logged.
    private func scope(for exchange: Exchange) -> OpaquePointer? {
        let descriptor = exchange.localDescriptor
        for known in scopes where known.listener == descriptor { return known.scope }
        let listener = exchange.local
        let scheme = exchange.connectionScheme.cString
        let scope = listener.localAddress.withCString { server in
            rootPath.withCString { root in
                var options = evg_asgi_scope_options(
                    server: server, port: listener.isUnix ? -1 : Int32(listener.port), root_path: root, scheme: scheme,
                    has_channels: exchange.hasChannels)
                return evg_asgi_scope_new(&options)
            }
        }
        if let scope { scopes.append((descriptor, scope)) }
        return scope
    }
}

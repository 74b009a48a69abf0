// An ASGI callable on asyncio, the loop as its guest. Law: a request that arrives is only noted here; asgi.c makes a
// task of it when the pump is over. Nothing of Python runs while Swift holds an access open or inside a Swift task.

import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import HTTP1
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
    private var scopes: [(listener: Int32, scope: UnsafeMutableRawPointer)] = []

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
        if exchange.head.asksForWebSocket { return exchange.refuseWebSocket() }
        evg_asgi_accept(Unmanaged.passRetained(exchange).toOpaque())
    }

    func workerLeaves(before deadline: Double) { leavesBefore = deadline }

    /// Never called: requests are not Swift tasks here.
    func respond(to exchange: Exchange) async { exchange.fail() }

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

    /// One template scope for each listening socket.
    func scope(of listener: ListeningSocket) -> UnsafeMutableRawPointer? {
        for known in scopes where known.listener == listener.fileDescriptor { return known.scope }
        let port = listener.isUnix ? -1 : Int32(listener.port)
        guard let scope = evg_asgi_scope_new(listener.localAddress, port, rootPath) else { return nil }
        scopes.append((listener.fileDescriptor, scope))
        return scope
    }

    /// Lends the head to the bridge. Isolated to nothing, because the runtime would check the isolation of every
    /// closure below.
    nonisolated static func lend(
        _ head: RequestHead, _ remoteAddress: String, _ remotePort: UInt16, _ scope: UnsafeMutableRawPointer?,
        _ context: UnsafeMutableRawPointer
    ) {
        var lent = evg_asgi_head()
        lent.scope = scope
        lent.method = evg_py_range(head.method)
        lent.target = evg_py_range(head.target)
        lent.path = evg_py_range(head.path)
        lent.query = evg_py_range(head.query)
        lent.authority = evg_py_range(head.authority)
        lent.http10 = head.version == .http10
        lent.remote_port = remotePort
        var address = remoteAddress
        address.withUTF8 { address in
            lent.remote_address = evg_py_text(base: address.baseAddress, count: address.count)
            head.bytes.withUnsafeBufferPointer { bytes in
                lent.bytes = bytes.baseAddress
                head.fields.withUnsafeBufferPointer { fields in
                    fields.withMemoryRebound(to: evg_py_field.self) { fields in
                        lent.fields = fields.baseAddress
                        lent.field_count = fields.count
                        evg_asgi_begin(context, &lent)
                    }
                }
            }
        }
    }
}

// MARK: - WebSocket

extension RequestHead {
    fileprivate var asksForWebSocket: Bool {
        guard upgrade else { return false }
        return values(of: "Upgrade").contains { string($0).lowercased().contains("websocket") }
    }
}

extension Exchange {
    /// RFC 9110 section 15.5.22: the answer names a protocol that would do.
    fileprivate func refuseWebSocket() {
        logger.warning(
            "Refused a WebSocket: this server does not speak it", metadata: ["path": "\(head.string(head.path))"])
        let text: StaticString = "WebSocket is not available here\n"
        let fields: [(StaticString, StaticString)] = [
            ("Upgrade", "HTTP/1.1"), ("Connection", "upgrade"), ("Content-Type", "text/plain; charset=utf-8"),
        ]
        do throws(HTTP1Error) {
            try startResponse(status: 426)
            for (name, value) in fields { try addField(name: name.raw, value: value.raw) }
            try sendComplete(body: text.raw)
        } catch {
            abandonResponse()
            fail()
        }
        taskEnded()
    }
}

extension StaticString {
    fileprivate var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount) }
}

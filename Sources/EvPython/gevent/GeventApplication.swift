// A WSGI callable on greenlets, the loop as a guest of gevent's hub. Law: a request is only noted here; gevent/queue.c
// starts its greenlet when the pump is over. Nothing of Python's that could switch greenlets is called from Swift.

import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import HTTPCore

extension PythonHost {
    @LoopActor func loadGevent(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        try prepareGevent(configuration)
        try load(configuration)
        guard let name = evg_gevent_open() else {
            throw ApplicationError("gevent's hub cannot be had", exitCode: ApplicationError.bootFailure)
        }
        evg_gevent_cancel_on_disconnect(configuration.cancelOnDisconnect)
        let app = configuration.application ?? ""
        let description = "WSGI app \(app), a greenlet per request, \(String(cString: name))"
        return LoadedApplication(application: GeventApplication(configuration), description: description)
    }

    /// Before the app is imported, in whichever process does that.
    func prepareGevent(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        guard let problem = evg_gevent_prepare(configuration.monkeyPatch) else { return }
        throw ApplicationError(String(cString: problem), exitCode: ApplicationError.bootFailure)
    }
}

@LoopActor
final class GeventApplication: Application {
    /// Bodies of up to this many bytes are read before a greenlet is started, so that a slow sender costs none.
    private static let streamAbove: UInt64 = 65_536
    /// A chunked body is read whole, because apps look for its length; above this many bytes it is in a file.
    private static let spoolThreshold = 1 << 20

    private let streamsBodies: Bool
    private let templates: EnvironTemplates
    /// Filled anew for every request; the bridge copies what it needs.
    private let request = UnsafeMutablePointer<evg_py_request>.allocate(capacity: 1)

    init(_ configuration: GatewayConfiguration) {
        streamsBodies = configuration.streamRequestBody
        templates = EnvironTemplates(configuration) { options in
            let environ = evg_py_environ_new(options)
            if let environ { evg_gevent_dress(environ) }
            return environ
        }
        request.initialize(to: evg_py_request())
    }

    func begin(_ exchange: Exchange) {
        guard exchange.admitsWebSocket() else { return }
        switch exchange.head.framing {
        case .none:
            accept(exchange, .empty, streams: false)
        case .length(let length) where length > Self.streamAbove || streamsBodies:
            accept(exchange, .empty, streams: true)
        case .chunked where streamsBodies:
            accept(exchange, .empty, streams: true)
        default:
            exchange.collectBody(spoolAbove: Self.spoolThreshold) { [self] in
                switch $0 {
                case .success(let body): accept(exchange, body, streams: false)
                case .failure(let error): exchange.refuseBody(error)
                }
            }
        }
    }

    /// Told of when the pump is over.
    func workerLeaves(before deadline: Double) { evg_py_leave() }

    /// - Parameter streams: the app reads the body as it arrives.
    private func accept(_ exchange: Exchange, _ body: CollectedBody, streams: Bool) {
        guard let environ = templates.template(for: exchange) else { return exchange.refuse(body, status: 500) }
        request.pointee.exchange = exchange.retainedForC()
        request.pointee.environ = environ
        request.pointee.length_from_body = exchange.head.framing == .chunked && !streams
        Self.accept(request, body, streams)
    }

    /// Isolated to nothing, because the runtime would check the isolation of the closure.
    private nonisolated static func accept(
        _ request: UnsafeMutablePointer<evg_py_request>, _ body: CollectedBody, _ streams: Bool
    ) {
        body.lend(to: request) { evg_gevent_accept(request, streams) }
    }
}

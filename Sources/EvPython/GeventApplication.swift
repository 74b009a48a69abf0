// A WSGI callable on greenlets, the loop as a guest of gevent's hub. Law: a request is only noted here; gevent.c starts
// its greenlet when the pump is over. Nothing of Python's that could switch greenlets is called from Swift.

import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import Glibc
import HTTP1

extension PythonHost {
    @LoopActor func loadGevent(
        _ configuration: GatewayConfiguration, _ worker: WorkerEnvironment
    ) throws(ApplicationError) -> LoadedApplication {
        try prepareGevent(configuration)
        try load(configuration)
        guard let name = evg_py_gevent_open() else {
            throw ApplicationError("gevent's hub cannot be had", exitCode: ApplicationError.bootFailure)
        }
        evg_py_gevent_cancel_on_disconnect(configuration.cancelOnDisconnect)
        let app = configuration.application ?? ""
        let description = "WSGI app \(app), a greenlet per request, \(String(cString: name))"
        return LoadedApplication(application: GeventApplication(configuration), description: description)
    }

    /// Before the app is imported, in whichever process does that.
    func prepareGevent(_ configuration: GatewayConfiguration) throws(ApplicationError) {
        guard let problem = evg_py_gevent_prepare(configuration.monkeyPatch) else { return }
        throw ApplicationError(String(cString: problem), exitCode: ApplicationError.bootFailure)
    }
}

@LoopActor
final class GeventApplication: Application {
    let cancelsOnDisconnect: Bool
    let streamsBodies: Bool
    private let templates: EnvironTemplates

    init(_ configuration: GatewayConfiguration) {
        cancelsOnDisconnect = configuration.cancelOnDisconnect
        streamsBodies = configuration.streamRequestBody
        templates = EnvironTemplates(configuration) { options in
            let environ = evg_py_environ_new(options)
            if let environ { evg_py_gevent_dress(environ) }
            return environ
        }
    }

    func begin(_ exchange: Exchange) {
        GeventCall(exchange, self).begin()
    }

    /// Never called: requests are not Swift tasks here.
    func respond(to exchange: Exchange) async { exchange.fail() }

    func environ(of listener: ListeningSocket) -> OpaquePointer? { templates.template(of: listener) }
}

/// One request on its way to and from a greenlet.
@LoopActor
final class GeventCall {
    /// Bodies of up to this many bytes are read before a greenlet is started, so that a slow sender costs none.
    private static let streamAbove: UInt64 = 65_536
    /// A chunked body is read whole, because apps look for its length; above this many bytes it is in a file.
    private static let spoolThreshold = 1 << 20

    let exchange: Exchange
    private let application: GeventApplication
    /// What of the body has been read before the greenlet is started.
    private var body = CollectedBody.empty
    /// The body is handed over as it arrives.
    private(set) var streams = false
    /// The greenlet's side, from `describe` to `ended`.
    private var request: UnsafeMutableRawPointer?

    init(_ exchange: Exchange, _ application: GeventApplication) {
        self.exchange = exchange
        self.application = application
    }

    // MARK: before the greenlet

    func begin() {
        switch exchange.head.framing {
        case .none:
            enqueue()
        case .length(let length) where length > Self.streamAbove || application.streamsBodies:
            stream()
        case .chunked where application.streamsBodies:
            stream()
        default:
            exchange.onBody = { [self] in LoopActor.assumeIsolated { collect() } }
            collect()
        }
    }

    private func stream() {
        streams = true
        enqueue()
    }

    private func collect() {
        while true {
            switch exchange.takeBody() {
            case .bytes(let bytes):
                do throws(RequestBodyError) {
                    try body.append(bytes, spoolAbove: Self.spoolThreshold, to: exchange.spool)
                } catch {
                    return refuse(error)
                }
            case .end:
                return enqueue()
            case .wait:
                return
            case .failed(let error):
                return refuse(error)
            }
        }
    }

    /// The app never sees a body that is not whole.
    private func refuse(_ error: RequestBodyError) {
        exchange.onBody = nil
        discardBody()
        exchange.fail(status: error.statusHint)
        exchange.taskEnded()
    }

    private func discardBody() {
        body.discard()
        body = .empty
    }

    private func enqueue() {
        exchange.onBody = nil
        evg_py_gevent_enqueue(Unmanaged.passRetained(self).toOpaque())
    }

    // MARK: for the greenlet

    /// Copies what the environ is made of into one block of memory: the arrays of Swift are lent only to closures.
    func describe(
        _ request: UnsafeMutableRawPointer, _ out: UnsafeMutablePointer<evg_py_request>
    ) -> UnsafeMutableRawPointer? {
        // A client that left before its request began gets no greenlet's work.
        guard !exchange.isGone, let environ = application.environ(of: exchange.local) else {
            if !exchange.isGone { exchange.fail() }
            return nil
        }
        let head = exchange.head
        guard let block = Self.copy(head, exchange.remoteAddress, body, out) else {
            exchange.fail(status: 503)
            return nil
        }
        self.request = request
        exchange.appWasCalled = true
        out.pointee.environ = environ
        out.pointee.method = evg_py_range(head.method)
        out.pointee.target = evg_py_range(head.target)
        out.pointee.path = evg_py_range(head.path)
        out.pointee.query = evg_py_range(head.query)
        out.pointee.authority = evg_py_range(head.authority)
        out.pointee.http10 = head.version == .http10
        out.pointee.remote_port = exchange.remotePort
        out.pointee.length_from_body = head.framing == .chunked && !streams
        // A file is the bridge's from here on.
        body = .empty
        if application.cancelsOnDisconnect { watchClient() }
        if exchange.deadline.isFinite { watchDeadline() }
        return block
    }

    private nonisolated static func copy(
        _ head: RequestHead, _ address: String, _ collected: CollectedBody, _ out: UnsafeMutablePointer<evg_py_request>
    ) -> UnsafeMutableRawPointer? {
        var address = address
        var body: [UInt8] = []
        out.pointee.body_file = -1
        switch collected {
        case .empty: break
        case .bytes(let bytes): body = bytes
        case .file(let descriptor, let count):
            out.pointee.body_file = descriptor
            out.pointee.body_count = count
        }
        let fieldsSize = head.fields.count * MemoryLayout<evg_py_field>.stride
        let total = fieldsSize + head.bytes.count + address.utf8.count + body.count
        guard let block = malloc(max(total, 1)) else { return nil }
        // The fields come first, for their alignment.
        head.fields.withUnsafeBytes { fields in
            if let base = fields.baseAddress { block.copyMemory(from: base, byteCount: fieldsSize) }
        }
        out.pointee.fields = UnsafePointer(block.assumingMemoryBound(to: evg_py_field.self))
        out.pointee.field_count = head.fields.count
        var place = block + fieldsSize
        func append(_ bytes: UnsafeRawBufferPointer) -> UnsafePointer<UInt8> {
            let start = place
            if let base = bytes.baseAddress { start.copyMemory(from: base, byteCount: bytes.count) }
            place += bytes.count
            return UnsafePointer(start.assumingMemoryBound(to: UInt8.self))
        }
        out.pointee.bytes = head.bytes.withUnsafeBytes(append)
        out.pointee.remote_address = address.withUTF8 {
            evg_py_text(base: append(UnsafeRawBufferPointer($0)), count: $0.count)
        }
        if !body.isEmpty {
            out.pointee.body = body.withUnsafeBytes(append)
            out.pointee.body_count = body.count
        }
        return block
    }

    /// The next of a body that is still arriving: bytes (none: the end), or nil and why there is nothing.
    enum Taken { case bytes([UInt8]), wait, failed(status: Int) }

    func take() -> Taken {
        switch exchange.takeBody() {
        case .bytes(let bytes): return .bytes(bytes)
        case .end: return .bytes([])
        case .failed(let error): return .failed(status: error.statusHint)
        case .wait:
            // Only while somebody waits: a client is not to blame for the time in which the app does not read.
            exchange.onBody = { [unowned self] in LoopActor.assumeIsolated { bodyArrived() } }
            return .wait
        }
    }

    private func bodyArrived() {
        exchange.onBody = nil
        notify(EVG_GEVENT_BODY)
    }

    func notify(_ event: evg_gevent_event) {
        if let request { evg_py_gevent_notify(request, event) }
    }

    func start(
        status: Int, reason: UnsafeRawBufferPointer?, _ fields: UnsafeBufferPointer<evg_py_text_field>
    ) throws(HTTP1Error) {
        // After a deadline the client has its answer, and this one goes nowhere.
        guard !exchange.isGone else { return }
        do throws(HTTP1Error) {
            try exchange.startResponse(status: status, reason: reason)
            for field in fields {
                try exchange.addField(
                    name: UnsafeRawBufferPointer(field.name), value: UnsafeRawBufferPointer(field.value))
            }
        } catch {
            exchange.abandonResponse()
            throw error
        }
        exchange.takeBegunHead { head in
            guard let request else { return }
            evg_py_gevent_keep_head(request, head.baseAddress?.assumingMemoryBound(to: UInt8.self), head.count)
        }
    }

    func send(
        head: UnsafeRawBufferPointer, _ block: UnsafeRawBufferPointer, length: UInt64?, whole: Bool
    ) -> evg_gevent_sent {
        guard !exchange.isGone else { return EVG_GEVENT_GONE }
        do throws(HTTP1Error) {
            if !exchange.headWasSent {
                exchange.putBegunHead(head)
                if whole {
                    try exchange.sendComplete(body: block)
                    return EVG_GEVENT_OK
                }
                try exchange.sendHead(contentLength: length)
            }
        } catch {
            exchange.abandonResponse()
            exchange.fail()
            return EVG_GEVENT_GONE
        }
        let result = exchange.write(block)
        if whole { exchange.finish() }
        switch result {
        case .ok: return EVG_GEVENT_OK
        case .gone: return EVG_GEVENT_GONE
        case .full: return EVG_GEVENT_FULL
        }
    }

    /// Whether there is room for more, or nobody to send it to. The event follows when there is none.
    func hasDrained() -> Bool {
        if exchange.isDrained { return true }
        if exchange.onDrained == nil {
            exchange.onDrained = { [unowned self] in LoopActor.assumeIsolated { notify(EVG_GEVENT_DRAINED) } }
        }
        return false
    }

    /// The client has left, or was cut off. Not so when the response is over.
    var hasLeft: Bool { exchange.clientHasLeft }

    func watchClient() {
        if exchange.onClientLeft == nil {
            exchange.onClientLeft = { [unowned self] in LoopActor.assumeIsolated { notify(EVG_GEVENT_LEFT) } }
        }
    }

    func watchDeadline() {
        if exchange.onDeadline == nil {
            exchange.onDeadline = { [unowned self] in LoopActor.assumeIsolated { notify(EVG_GEVENT_OVERDUE) } }
        }
    }

    func overran() {
        let head = exchange.head
        guard !head.isHead else { return }
        exchange.logger.warning(
            "The app sent more bytes than its Content-Length; the rest is dropped",
            metadata: ["method": "\(head.string(head.method))", "path": "\(head.string(head.path))"])
    }

    func ended() {
        request = nil
        discardBody()
        exchange.taskEnded()
    }
}

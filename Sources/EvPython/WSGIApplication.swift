// A WSGI callable as an Application, called on the loop's thread (worker class `inline`). Law: the body is complete
// before the call; a block is on its way before the next is asked for; evg_py_call_close follows every call, on every
// path; Python is never called while Swift holds an access open, which is why the C structs live on the heap.

import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import Glibc
import HTTP1
import Logging

@LoopActor
final class WSGIApplication: Application {
    /// Request bodies above this many bytes are spooled to a file.
    private static let spoolThreshold = 1 << 20

    private let logger: Logger
    private let templates: EnvironTemplates
    /// Filled anew for every call of the bridge; nothing in them outlives a suspension.
    private let request = UnsafeMutablePointer<evg_py_request>.allocate(capacity: 1)
    private let result = UnsafeMutablePointer<evg_py_result>.allocate(capacity: 1)

    init(_ configuration: GatewayConfiguration, errors logger: Logger) {
        self.logger = logger
        templates = EnvironTemplates(configuration) { evg_py_environ_new($0) }
        request.initialize(to: evg_py_request())
        result.initialize(to: evg_py_result())
    }

    /// A request without a body is called at once, and when its answer is there as a whole it needs no task.
    func begin(_ exchange: Exchange) {
        guard exchange.head.framing == .none else { return start(exchange) { await self.respond(to: exchange) } }
        answer(exchange, .empty)
    }

    func respond(to exchange: Exchange) async {
        do {
            answer(exchange, try await exchange.collectBody(spoolAbove: Self.spoolThreshold))
        } catch {
            exchange.refuseBody(error)
            exchange.taskEnded()
        }
    }

    private func start(_ exchange: Exchange, _ body: @escaping @LoopActor () async -> Void) {
        exchange.attach(Task.immediate(executorPreference: LoopActor.taskExecutor) { @LoopActor in await body() })
    }

    /// Calls the app and sends what is there; a task sends what takes longer. Ends the request's task in every case.
    private func answer(_ exchange: Exchange, _ body: CollectedBody) {
        let outcome = callApp(exchange, body)
        let call = result.pointee.call
        switch outcome {
        case EVG_PY_WHOLE:
            exchange.sendWhole(block)
        case EVG_PY_BLOCK where isWhole(exchange):
            exchange.sendWhole(block)
            if evg_py_call_next(call, result) == EVG_PY_BLOCK { warnOfOverrun(exchange) }
        case EVG_PY_BLOCK:
            return stream(exchange, call)
        case EVG_PY_FILE:
            return sendFile(exchange, call)
        case EVG_PY_END:
            exchange.end()
        default:
            exchange.breakOff()
        }
        end(exchange, call)
    }

    private func end(_ exchange: Exchange, _ call: OpaquePointer?) {
        evg_py_call_close(call)
        exchange.taskEnded()
    }

    // MARK: - The call

    private func callApp(_ exchange: Exchange, _ body: CollectedBody) -> evg_py_outcome {
        guard let environ = templates.template(of: exchange.local) else {
            result.pointee.call = nil
            body.discard()
            return EVG_PY_FAILED
        }
        exchange.appWasCalled = true
        request.pointee.exchange = Unmanaged.passUnretained(exchange).toOpaque()
        request.pointee.environ = environ
        request.pointee.remote_port = exchange.remotePort
        return Self.call(request, result, exchange.head, exchange.remoteAddress, body)
    }

    /// Lends the head and the body to the bridge. Isolated to nothing, because the runtime would check the isolation
    /// of every closure below.
    private nonisolated static func call(
        _ request: UnsafeMutablePointer<evg_py_request>, _ result: UnsafeMutablePointer<evg_py_result>,
        _ head: RequestHead, _ remoteAddress: String, _ body: CollectedBody
    ) -> evg_py_outcome {
        request.pointee.method = evg_py_range(head.method)
        request.pointee.target = evg_py_range(head.target)
        request.pointee.path = evg_py_range(head.path)
        request.pointee.query = evg_py_range(head.query)
        request.pointee.authority = evg_py_range(head.authority)
        request.pointee.http10 = head.version == .http10
        request.pointee.length_from_body = head.framing == .chunked
        var address = remoteAddress
        return address.withUTF8 { address in
            request.pointee.remote_address = evg_py_text(base: address.baseAddress, count: address.count)
            return head.bytes.withUnsafeBufferPointer { bytes in
                request.pointee.bytes = bytes.baseAddress
                return head.fields.withUnsafeBufferPointer { fields in
                    fields.withMemoryRebound(to: evg_py_field.self) { fields in
                        request.pointee.fields = fields.baseAddress
                        request.pointee.field_count = fields.count
                        return call(request, result, body)
                    }
                }
            }
        }
    }

    private nonisolated static func call(
        _ request: UnsafeMutablePointer<evg_py_request>, _ result: UnsafeMutablePointer<evg_py_result>,
        _ body: CollectedBody
    ) -> evg_py_outcome {
        request.pointee.body = nil
        request.pointee.body_count = 0
        request.pointee.body_file = -1
        switch body {
        case .empty:
            return evg_py_call_app(request, result)
        case .bytes(let bytes):
            return bytes.withUnsafeBufferPointer { bytes in
                request.pointee.body = bytes.baseAddress
                request.pointee.body_count = bytes.count
                return evg_py_call_app(request, result)
            }
        case .file(let descriptor, let count):
            request.pointee.body_file = descriptor
            request.pointee.body_count = count
            return evg_py_call_app(request, result)
        }
    }

    // MARK: - The response

    /// The block that the bridge handed out last.
    private var block: UnsafeRawBufferPointer { UnsafeRawBufferPointer(result.pointee.block) }

    /// The usual response of a framework: one block of the length that it announced. It leaves in one write, and the
    /// iterable is asked for its end afterwards.
    private func isWhole(_ exchange: Exchange) -> Bool {
        result.pointee.content_length == Int64(block.count) && !exchange.headWasSent
    }

    private func stream(_ exchange: Exchange, _ call: OpaquePointer?) {
        guard exchange.sendHeadUnlessSent(contentLength: nil) else {
            exchange.breakOff()
            return end(exchange, call)
        }
        // The bridge's result is every request's: what it holds is sent before anything else runs.
        let first = (written: exchange.write(block), count: block.count)
        start(exchange) {
            await self.goOn(exchange, call, after: first.written, first.count)
            self.end(exchange, call)
        }
    }

    private func goOn(
        _ exchange: Exchange, _ call: OpaquePointer?, after first: Exchange.WriteResult, _ firstCount: Int
    ) async {
        var turn = Turn()
        var written = first
        var count = firstCount
        while true {
            switch written {
            case .gone:
                return exchange.breakOff()
            case .full:
                do { try await exchange.drained() } catch { return exchange.breakOff() }
                turn = Turn()
            case .ok where turn.isOver(after: count):
                await Turn.end()
                turn = Turn()
            case .ok:
                break
            }
            switch evg_py_call_next(call, result) {
            case EVG_PY_BLOCK:
                count = block.count
                written = exchange.write(block)
            case EVG_PY_END:
                return exchange.finish()
            default:
                return exchange.breakOff()
            }
        }
    }

    private func sendFile(_ exchange: Exchange, _ call: OpaquePointer?) {
        let file = result.pointee.file
        let offset = Int(result.pointee.file_offset)
        var count = result.pointee.file_count
        if result.pointee.content_length >= 0 { count = min(count, result.pointee.content_length) }
        guard exchange.sendHeadUnlessSent(contentLength: UInt64(clamping: count)) else {
            exchange.breakOff()
            return end(exchange, call)
        }
        start(exchange) {
            do {
                try await exchange.sendFile(fileDescriptor: file, offset: offset, count: Int(count))
                exchange.finish()
            } catch {
                exchange.breakOff()
            }
            self.end(exchange, call)
        }
    }

    private func warnOfOverrun(_ exchange: Exchange) {
        let head = exchange.head
        guard !head.isHead else { return }
        logger.warning(
            "The app sent more bytes than its Content-Length; the rest is dropped",
            metadata: ["method": "\(head.string(head.method))", "path": "\(head.string(head.path))"])
    }
}

/// A stretch of a stream without a pause. A generator that a fast reader keeps going, or that sleeps between its
/// blocks, would else keep the loop from every other connection, and from its heartbeat.
private struct Turn {
    private static let bytes = 1 << 20
    private static let seconds = 0.01

    private let startedAt = EventLoop.coarseNow()
    private var sent = 0

    /// Lets the loop look at its other connections. `Task.yield()` would go through the runtime's own threads.
    @LoopActor static func end() async {
        await withUnsafeContinuation { continuation in
            LoopExecutor.shared.later { continuation.resume() }
        }
    }

    mutating func isOver(after count: Int) -> Bool {
        sent += count
        return sent > Self.bytes || EventLoop.coarseNow() - startedAt > Self.seconds
    }
}

// MARK: - Endings

extension Exchange {
    /// The response is over, and nothing more is to come.
    fileprivate func end() {
        if headWasSent { finish() } else { sendWhole(UnsafeRawBufferPointer(start: nil, count: 0)) }
    }

    fileprivate func sendWhole(_ body: UnsafeRawBufferPointer) {
        if headWasSent {
            _ = write(body)
            return finish()
        }
        do throws(HTTP1Error) {
            try sendComplete(body: body)
        } catch {
            breakOff()
        }
    }

    /// False when there is no head to send.
    fileprivate func sendHeadUnlessSent(contentLength: UInt64?) -> Bool {
        guard !headWasSent else { return true }
        do throws(HTTP1Error) {
            try sendHead(contentLength: contentLength)
            return true
        } catch {
            return false
        }
    }

    /// The app failed: an error response while that is possible, else an end that nobody takes for a complete body.
    fileprivate func breakOff() {
        if !headWasSent { abandonResponse() }
        fail(status: 500)
    }

    /// The app never sees a body that is not whole. After a cancellation the client has left or is cut off.
    fileprivate func refuseBody(_ error: any Error) {
        fail(status: (error as? RequestBodyError)?.statusHint ?? 503)
    }
}

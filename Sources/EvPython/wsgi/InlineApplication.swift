// A WSGI callable, called on the loop's thread (worker class `inline`). Law: the body is complete before the call; a
// block is on its way before the next is asked for; every call is closed, by evg_inline_serve or here, on every path.
// Python is never called while Swift holds an access open, which is why the C structs live on the heap.

import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import HTTPCore

extension PythonHost {
    @LoopActor func loadInline(_ configuration: GatewayConfiguration) throws(ApplicationError) -> LoadedApplication {
        try load(configuration)
        _ = Self.ask("leave", "inline", .none)
        return LoadedApplication(
            application: InlineApplication(configuration),
            description: "WSGI app \(configuration.application ?? ""), called inline")
    }
}

@LoopActor
final class InlineApplication: Application {
    /// Request bodies above this many bytes are spooled to a file.
    private static let spoolThreshold = 1 << 20

    private let templates: EnvironTemplates
    /// Filled anew for every call of the bridge; nothing in them outlives a suspension.
    private let request = UnsafeMutablePointer<evg_py_request>.allocate(capacity: 1)
    private let result = UnsafeMutablePointer<evg_py_result>.allocate(capacity: 1)

    init(_ configuration: GatewayConfiguration) {
        templates = EnvironTemplates(configuration) { evg_py_environ_new($0) }
        request.initialize(to: evg_py_request())
        result.initialize(to: evg_py_result())
    }

    func begin(_ exchange: Exchange) {
        guard exchange.admitsWebSocket() else { return }
        if let body = exchange.wholeBody() { return serve(exchange, body) }
        exchange.collectBody(spoolAbove: Self.spoolThreshold) { [self] in
            switch $0 {
            case .success(let body): serve(exchange, body)
            case .failure(let error): exchange.refuseBody(error)
            }
        }
    }

    func workerLeaves(before deadline: Double) {
        evg_py_leave()
        // The loop is not polling, so this thread has Python's lock, as when it calls the app.
        evg_py_leave_tell()
    }

    /// Calls the app. A response that is there as a whole has left at the return; a task sends what takes longer.
    private func serve(_ exchange: Exchange, _ body: CollectedBody) {
        guard let environ = templates.template(for: exchange) else { return exchange.refuse(body, status: 500) }
        exchange.appWasCalled()
        request.pointee.exchange = exchange.unretainedForC
        request.pointee.environ = environ
        request.pointee.length_from_body = exchange.head.framing == .chunked
        switch Self.serve(request, result, body) {
        case EVG_PY_BLOCK: stream(exchange)
        case EVG_PY_FILE: sendFile(exchange)
        default: exchange.taskEnded()
        }
    }

    /// Isolated to nothing, because the runtime would check the isolation of the closure.
    private nonisolated static func serve(
        _ request: UnsafeMutablePointer<evg_py_request>, _ result: UnsafeMutablePointer<evg_py_result>,
        _ body: CollectedBody
    ) -> evg_py_outcome {
        body.lend(to: request) { evg_inline_serve(request, result) }
    }

    private func start(_ exchange: Exchange, _ body: @escaping @LoopActor () async -> Void) {
        exchange.attach(Task.immediate(executorPreference: LoopActor.taskExecutor) { @LoopActor in await body() })
    }

    private func end(_ exchange: Exchange, _ call: OpaquePointer?) {
        evg_py_call_close(call)
        exchange.taskEnded()
    }

    // MARK: - Streams

    private func stream(_ exchange: Exchange) {
        let call = result.pointee.call
        // The result is every request's: what it holds is sent before anything else runs.
        let first = (written: sendBlock(exchange), count: result.pointee.block.count)
        start(exchange) {
            await self.goOn(exchange, call, after: first.written, first.count)
            self.end(exchange, call)
        }
    }

    /// Sends the block that the bridge handed out last, and the head when it has not left before.
    private func sendBlock(_ exchange: Exchange) -> Exchange.WriteResult {
        let block = UnsafeRawBufferPointer(result.pointee.block)
        guard let head = result.pointee.head else { return exchange.write(block) }
        return exchange.begin(ResponseHead.lent(head).pointee, first: block)
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
                return
            case .full:
                do { try await exchange.drained() } catch { return exchange.fail() }
                turn = Turn()
            case .ok where turn.isOver(after: count):
                await Turn.end()
                turn = Turn()
            case .ok:
                break
            }
            switch evg_py_call_next(call, result) {
            case EVG_PY_BLOCK:
                count = result.pointee.block.count
                written = exchange.write(UnsafeRawBufferPointer(result.pointee.block))
            case EVG_PY_END:
                return exchange.finish()
            default:
                return exchange.fail()
            }
        }
    }

    // MARK: - Files

    private func sendFile(_ exchange: Exchange) {
        let result = result.pointee
        var count = result.file_count
        if result.content_length >= 0 { count = min(count, result.content_length) }
        if let head = result.head {
            exchange.begin(ResponseHead.lent(head).pointee, contentLength: UInt64(clamping: count))
        }
        start(exchange) {
            do {
                try await exchange.sendFile(
                    fileDescriptor: result.file, offset: Int(result.file_offset), count: Int(count))
                exchange.finish()
            } catch {
                exchange.fail()
            }
            self.end(exchange, result.call)
        }
    }
}

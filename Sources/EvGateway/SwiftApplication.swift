// A Swift handler as an application. One that may suspend runs in the request's task, which prefers the loop's
// executor: code that is not isolated elsewhere runs on the loop's thread from its first line. One that cannot suspend
// is called by the loop itself.

import EvLoop
package import EvServer
import HTTP1
import HTTPCore
import HTTPTypes
import Logging

/// Answers one request. It is cancelled when the client leaves. An error that it throws is answered with 500 and
/// logged.
public typealias RequestHandler = nonisolated(nonsending) @Sendable (Request) async throws -> Response

/// Answers one request without an `await`, on the loop and without a task, at half the price. An error that it throws
/// is answered with 500 and logged.
public typealias ImmediateHandler = @LoopActor @Sendable (Request) throws -> Response

private typealias ResponseMaker = nonisolated(nonsending) @Sendable () async throws -> Response

/// An app that is one Swift function.
package final class SwiftApplication: Application {
    private enum Handler {
        case task(RequestHandler)
        case immediate(ImmediateHandler)
    }
    private let handler: Handler

    package init(_ handler: @escaping RequestHandler) { self.handler = .task(handler) }
    package init(immediate handler: @escaping ImmediateHandler) { self.handler = .immediate(handler) }

    @LoopActor package func begin(_ exchange: Exchange) {
        guard exchange.readHandshake() else { return }
        exchange.appWasCalled()
        let request = Request(exchange, head: exchange.head, offer: exchange.offer)
        switch handler {
        case .task(let handler): exchange.start { try await handler(request) }
        case .immediate(let handler): exchange.answer { try handler(request) }
        }
    }

    @LoopActor package func workerLeaves(before deadline: Double) { WorkerLeave.begin() }
}

/// What a Swift app does when its worker begins to leave.
@LoopActor
package enum WorkerLeave {
    private static var actions: [@LoopActor () -> Void] = []

    package static func add(_ action: @escaping @LoopActor () -> Void) { actions.append(action) }

    /// Each action once, however often the worker is told to leave.
    static func begin() {
        let due = actions
        actions = []
        for action in due { action() }
    }
}

extension Exchange {
    /// Runs what makes the response, in a task of its own.
    fileprivate func start(_ respond: @escaping ResponseMaker) {
        attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @concurrent in
                // What lives across an await is paid by every held request, so little is kept here.
                do {
                    guard let stream = self.settle(try await respond()) else { return }
                    await self.run(stream)
                } catch {
                    self.settle(error)
                }
            })
    }

    /// `deliver` from the request's task, which runs on the loop's thread. Out of line, to keep the task's frame small.
    @inline(never) fileprivate nonisolated func settle(_ response: Response) -> ResponseStream? {
        LoopActor.assumeIsolated { deliver(response) }
    }

    @inline(never) fileprivate nonisolated func settle(_ error: any Error) {
        LoopActor.assumeIsolated {
            failed(error)
            taskEnded()
        }
    }

    /// Sends a response that is there as a whole, or the head of one that is streamed, and what streams it.
    fileprivate func deliver(_ response: Response) -> ResponseStream? {
        do throws(ResponseHeadError) {
            switch response.body.content {
            case .stream(let contentLength, let write):
                try build(response)
                begin(responseHead.pointee, contentLength: contentLength.map { UInt64(clamping: $0) })
                return write
            case .parked(let condition, let limit, let respond, let replays):
                park(condition, limit, respond, replays)
            case .webSocket(let upgrade):
                return try accept(upgrade, response)
            default:
                try sendWhole(response)
                taskEnded()
            }
            return nil
        } catch {
            refuse(error)
            taskEnded()
            return nil
        }
    }

    /// The task of the request ends here. When the wait does, the response is made on the loop or in another task.
    private func park(
        _ condition: LoopCondition, _ limit: Duration?, _ respond: ResponseBody.Wakened, _ replays: Bool
    ) {
        guard !isGone else { return taskEnded() }
        if replays, mayReplay, replay() { return taskEnded() }
        park()
        let parking = condition.park(atMost: limit) { came in
            self.onClientLeft = nil
            if replays { self.onReplay = nil }
            self.unpark()
            // The client may have left after it was woken and before its turn.
            guard !self.isGone else { return self.taskEnded() }
            switch respond {
            case .task(let respond): self.start { try await respond(came) }
            case .loop(let respond): self.answer { try respond(came) }
            }
        }
        onClientLeft = {
            parking.giveUp()
            self.taskEnded()
        }
        guard replays else { return }
        onReplay = {
            guard self.replay() else { return }
            parking.giveUp()
            self.taskEnded()
        }
    }

    /// Makes the response here and now; only what streams it needs a task.
    fileprivate func answer(_ respond: () throws -> Response) {
        do {
            guard let stream = deliver(try respond()) else { return }
            attach(
                Task.immediate(executorPreference: LoopExecutor.shared) { @concurrent in await self.run(stream) })
        } catch {
            failed(error)
            taskEnded()
        }
    }

    fileprivate func run(_ stream: ResponseStream) async {
        do {
            try await stream(ResponseWriter(exchange: self))
            // A socket is closed by the end of its task.
            if webSocket == nil { finish() }
        } catch {
            failed(error)
        }
        taskEnded()
    }

    private func sendWhole(_ response: Response) throws(ResponseHeadError) {
        switch response.body.content {
        case .staticString(let string):
            try build(response)
            respond(responseHead.pointee, body: string.bytes)
        case .bytes(let bytes):
            try build(response)
            bytes.withUnsafeBytes { respond(responseHead.pointee, body: $0) }
        case .string(var string):
            try build(response)
            let text = responseText
            text.replace(with: &string)
            respond(responseHead.pointee, body: text.bytes)
        case .stream, .parked, .webSocket:
            break
        }
    }

    /// Builds the head in the worker's place for it, where it stays until it is sent: the next line.
    func build(_ response: Response) throws(ResponseHeadError) {
        let head = responseHead
        let code = response.status.code
        var reason = response.status.reasonPhrase
        try reason.withContiguousBytes { reason throws(ResponseHeadError) in
            try head.pointee.begin(status: code, reason: reason.isEmpty ? nil : reason)
        }
        if response.isPlainText { return try head.pointee.append("Content-Type", "text/plain; charset=utf-8") }
        try add(response.headerFields)
    }

    private func add(_ fields: HTTPFields) throws(ResponseHeadError) {
        let head = responseHead
        for field in fields {
            var name = field.name.rawName
            var value = field.value
            try name.withContiguousBytes { name throws(ResponseHeadError) in
                try value.withContiguousBytes { value throws(ResponseHeadError) in
                    try head.pointee.append(name: name, value: value)
                }
            }
        }
    }

    func refuse(_ error: some CustomStringConvertible) {
        logger.error("The app's response is not valid", metadata: requestMetadata.merging(["error": "\(error)"]) { $1 })
        fail()
    }

    func failed(_ error: any Error) {
        if isGone || error is WebSocketClosed { return }
        if error is CancellationError, !headWasSent { return fail(status: 503) }
        if let failure = error as? RequestBodyFailure { return fail(status: failure.reason.statusHint) }
        logger.error("The app threw an error", metadata: requestMetadata.merging(["error": "\(error)"]) { $1 })
        fail()
    }

    /// Ends the body, with these fields behind it.
    func finishBody(_ trailers: HTTPFields) async throws {
        guard !isGone else { throw CancellationError() }
        try responseHead.pointee.begin(status: 200)
        try add(trailers)
        finish(trailers: responseHead.pointee.lines)
    }

    func writeAndDrain(_ bytes: ArraySlice<UInt8>) async throws {
        let result = bytes.withUnsafeBytes { write($0) }
        switch result {
        case .ok: break
        case .full: try await drained()
        case .gone: throw CancellationError()
        }
    }
}

extension String {
    mutating func withContiguousBytes<R, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
    ) throws(Failure) -> R {
        makeContiguousUTF8()
        var result: Result<R, Failure>?
        withUTF8 { bytes in
            do throws(Failure) { result = .success(try body(UnsafeRawBufferPointer(bytes))) } catch {
                result = .failure(error)
            }
        }
        guard let result else { preconditionFailure("withUTF8 calls its closure") }
        return try result.get()
    }
}

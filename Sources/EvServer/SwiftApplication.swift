// A Swift handler as an application: the request's task prefers the loop's executor, so that code of the handler that
// is not isolated elsewhere runs on the loop's thread from the first line, without a hop.

package import EvLoop
import HTTP1
import HTTPTypes
import Logging

/// Answers one request. It is cancelled when the client leaves. An error that it throws is answered with 500 and
/// logged.
public typealias RequestHandler = nonisolated(nonsending) @Sendable (Request) async throws -> Response

private typealias ResponseMaker = nonisolated(nonsending) @Sendable () async throws -> Response

/// An app that is one Swift function.
package final class SwiftApplication: Application {
    private let handler: RequestHandler

    package init(_ handler: @escaping RequestHandler) { self.handler = handler }

    @LoopActor package func begin(_ exchange: Exchange) {
        exchange.appWasCalled = true
        let handler = handler
        let request = Request(exchange, head: exchange.head)
        exchange.start { try await handler(request) }
    }

    @LoopActor package func respond(to exchange: Exchange) async { begin(exchange) }

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
        do throws(HTTP1Error) {
            switch response.body.content {
            case .stream(let contentLength, let write):
                try startHead(response)
                try sendHead(contentLength: contentLength.map { UInt64(clamping: $0) })
                return write
            case .parked(let condition, let limit, let respond):
                park(condition, limit, respond)
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
    private func park(_ condition: LoopCondition, _ limit: Duration?, _ respond: ResponseBody.Wakened) {
        guard !isGone else { return taskEnded() }
        isParked = true
        let parking = condition.park(atMost: limit) { came in
            self.onClientLeft = nil
            self.isParked = false
            // The client may have left after it was woken and before its turn.
            guard !self.isGone else { return self.taskEnded() }
            switch respond {
            case .task(let respond): self.start { try await respond(came) }
            case .loop(let respond): self.wake { try respond(came) }
            }
        }
        onClientLeft = {
            parking.giveUp()
            self.taskEnded()
        }
    }

    private func wake(_ respond: () throws -> Response) {
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
            finish()
        } catch {
            failed(error)
        }
        taskEnded()
    }

    private func sendWhole(_ response: Response) throws(HTTP1Error) {
        switch response.body.content {
        case .staticString(let string):
            try startHead(response)
            try sendComplete(body: string.bytes)
        case .bytes(let bytes):
            try startHead(response)
            try bytes.withUnsafeBufferPointer { bytes throws(HTTP1Error) in
                try sendComplete(body: UnsafeRawBufferPointer(bytes))
            }
        case .string(var string):
            try startHead(response)
            try string.withContiguousBytes { bytes throws(HTTP1Error) in try sendComplete(body: bytes) }
        case .stream, .parked:
            break
        }
    }

    private func startHead(_ response: Response) throws(HTTP1Error) {
        var reason = response.status.reasonPhrase
        let code = response.status.code
        if StatusPhrase.reason(for: code).isEqual(to: reason) || reason.isEmpty {
            try startResponse(status: code)
        } else {
            try reason.withContiguousBytes { bytes throws(HTTP1Error) in
                try startResponse(status: code, reason: bytes)
            }
        }
        for field in response.headerFields {
            var name = field.name.rawName
            var value = field.value
            try name.withContiguousBytes { name throws(HTTP1Error) in
                try value.withContiguousBytes { value throws(HTTP1Error) in try addField(name: name, value: value) }
            }
        }
    }

    private func refuse(_ error: HTTP1Error) {
        abandonResponse()
        logger.error("The app's response is not valid", metadata: requestMetadata.merging(["error": "\(error)"]) { $1 })
        fail()
    }

    private func failed(_ error: any Error) {
        if isGone { return }
        if error is CancellationError, !headWasSent { return fail(status: 503) }
        if let failure = error as? RequestBodyFailure { return fail(status: failure.reason.statusHint) }
        logger.error("The app threw an error", metadata: requestMetadata.merging(["error": "\(error)"]) { $1 })
        fail()
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

extension StaticString {
    func isEqual(to string: String) -> Bool {
        string.utf8.count == utf8CodeUnitCount && bytes.elementsEqual(string.utf8)
    }
}

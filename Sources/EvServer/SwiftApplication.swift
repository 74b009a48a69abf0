// A Swift handler as an application: the request's task prefers the loop's executor, so that code of the handler that
// is not isolated elsewhere runs on the loop's thread from the first line, without a hop.

import EvLoop
import HTTP1
import HTTPTypes
import Logging

/// Answers one request. It is cancelled when the client leaves. An error that it throws is answered with 500 and
/// logged.
public typealias RequestHandler = nonisolated(nonsending) @Sendable (Request) async throws -> Response

/// An app that is one Swift function.
package final class SwiftApplication: Application {
    private let handler: RequestHandler

    package init(_ handler: @escaping RequestHandler) { self.handler = handler }

    @LoopActor package func begin(_ exchange: Exchange) {
        let handler = handler
        let request = Request(exchange, head: exchange.head)
        let task = Task.immediate(executorPreference: LoopExecutor.shared) { @concurrent in
            let result: Result<Response, any Error>
            do { result = .success(try await handler(request)) } catch { result = .failure(error) }
            if LoopExecutor.shared.isOnLoopThread {
                let streams = LoopActor.assumeIsolated { exchange.deliver(result) }
                if !streams { return }
            }
            await exchange.deliverStreaming(result)
        }
        exchange.attach(task)
    }

    @LoopActor package func respond(to exchange: Exchange) async { begin(exchange) }
}

extension Exchange {
    /// Sends a response that is there as a whole. Whether one remains to be streamed.
    fileprivate func deliver(_ result: Result<Response, any Error>) -> Bool {
        switch result {
        case .success(let response):
            if case .stream = response.body.content { return true }
            do throws(HTTP1Error) { try sendWhole(response) } catch { refuse(error) }
        case .failure(let error):
            failed(error)
        }
        taskEnded()
        return false
    }

    fileprivate func deliverStreaming(_ result: Result<Response, any Error>) async {
        guard deliver(result), case .success(let response) = result,
            case .stream(let contentLength, let write) = response.body.content
        else { return }
        do {
            do throws(HTTP1Error) {
                try startHead(response)
                try sendHead(contentLength: contentLength.map { UInt64(clamping: $0) })
            } catch {
                refuse(error)
                return taskEnded()
            }
            try await write(ResponseWriter(exchange: self))
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
        case .stream:
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

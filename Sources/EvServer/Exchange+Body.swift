// The request body on its way from the connection to the app: decoded as it arrives, held up to a bound, handed over
// in pieces or collected. A body that does not come whole is an error to whoever reads it, never an end.

package import EvLoop
import Glibc
package import HTTP1

/// Why a request body could not be read to its end.
package enum RequestBodyError: Error, Equatable, Sendable {
    /// The framing is broken.
    case malformed(HTTP1Error)
    /// The client closed, or left, before the end.
    case truncated
    /// More than the configured limit.
    case tooLarge
    /// Too few bytes arrived in too long a time.
    case tooSlow
    /// It could not be spooled to a file.
    case spoolFailed(SystemError)

    /// The status of the answer, when one can still be given.
    package var statusHint: Int {
        switch self {
        case .malformed(let error): Int(error.statusHint)
        case .truncated: 400
        case .tooLarge: 413
        case .tooSlow: 408
        case .spoolFailed(let error): error.errno == ENOSPC ? 507 : 500
        }
    }
}

/// A whole request body, or what has come of it.
package enum CollectedBody {
    case empty
    case bytes([UInt8])
    /// In an unlinked file, at offset 0; the descriptor is the receiver's to close.
    case file(fileDescriptor: Int32, count: Int)

    /// Adds bytes: in memory up to `threshold` bytes in all, beyond that in an unlinked file in `directory`.
    /// - Throws: `RequestBodyError.spoolFailed`; what came before is still held.
    package mutating func append(
        _ chunk: [UInt8], spoolAbove threshold: Int, in directory: String
    ) throws(RequestBodyError) {
        do throws(SystemError) {
            switch self {
            case .empty where chunk.count <= threshold:
                self = .bytes(chunk)
            case .bytes(var bytes) where bytes.count + chunk.count <= threshold:
                // The only reference, so that the bytes are not copied.
                self = .empty
                bytes.append(contentsOf: chunk)
                self = .bytes(bytes)
            case .empty:
                try spool([], chunk, in: directory)
            case .bytes(let bytes):
                try spool(bytes, chunk, in: directory)
            case .file(let descriptor, let count):
                try Self.write(chunk, to: descriptor, at: count)
                self = .file(fileDescriptor: descriptor, count: count + chunk.count)
            }
        } catch { throw .spoolFailed(error) }
    }

    /// Closes what it owns.
    package func discard() {
        if case .file(let descriptor, _) = self { Socket.close(descriptor) }
    }

    private mutating func spool(
        _ first: [UInt8], _ second: [UInt8], in directory: String
    ) throws(SystemError) {
        let descriptor = try TemporaryFile.open(in: directory)
        do throws(SystemError) {
            try Self.write(first, to: descriptor, at: 0)
            try Self.write(second, to: descriptor, at: first.count)
        } catch {
            Socket.close(descriptor)
            throw error
        }
        self = .file(fileDescriptor: descriptor, count: first.count + second.count)
    }

    private static func write(_ bytes: [UInt8], to file: Int32, at offset: Int) throws(SystemError) {
        var written = 0
        while written < bytes.count {
            let count = bytes.withUnsafeBytes {
                pwrite(file, $0.baseAddress.map { $0 + written }, $0.count - written, offset + written)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw SystemError("spooling a request body") }
            written += count
        }
    }
}

extension Exchange {
    package var isBodyComplete: Bool { decoder.isComplete }
    /// The decoder of a body that has not been received to its end.
    var unreadBody: BodyDecoder? { bodyError == nil ? decoder : nil }
    var hasFullBuffer: Bool { buffered.count >= worker.inputBuffer }

    /// Takes the body's bytes and returns those after its end.
    func receiveBody(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard !decoder.isComplete, bodyError == nil, !bytes.isEmpty else {
            return bodyError == nil ? bytes : UnsafeRawBufferPointer(start: nil, count: 0)
        }
        var offset = 0
        do throws(HTTP1Error) {
            while case .data(let range) = try decoder.next(bytes, from: &offset) {
                bodyReceived += UInt64(range.count)
                windowReceived += UInt64(range.count)
                if let limit = worker.configuration.bodyLimit, bodyReceived > limit {
                    bodyFailed(.tooLarge)
                    return UnsafeRawBufferPointer(start: nil, count: 0)
                }
                buffered.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        } catch {
            bodyFailed(.malformed(error))
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        if bodyWaiter != nil || onBody != nil, !buffered.isEmpty || decoder.isComplete { wakeBodyReader() }
        return UnsafeRawBufferPointer(rebasing: bytes[offset...])
    }

    func inputEnded() {
        if !decoder.isComplete { bodyFailed(.truncated) }
    }

    private func bodyFailed(_ error: RequestBodyError) {
        if bodyError == nil { bodyError = error }
        wakeBodyReader()
    }

    func wakeBodyReader() {
        onBody?()
        guard let waiter = bodyWaiter else { return }
        bodyWaiter = nil
        waiter.resume()
    }

    /// A window of the body's time limit is over. Whether a next one begins.
    func bodyWindowExpired() -> Bool {
        let due = worker.configuration.bodyMinimumRate * worker.configuration.bodyTimeout
        let isTooSlow = windowReceived == 0 || Double(windowReceived) < due
        windowReceived = 0
        guard bodyWaiter != nil || onBody != nil else { return false }
        if isTooSlow { bodyFailed(.tooSlow) }
        return !isTooSlow
    }

    /// What can be said of the body now.
    package enum BodyTake {
        /// Bytes that have arrived, never empty.
        case bytes([UInt8])
        case end
        /// Nothing yet; `onBody` will tell. The client has been told to go on if it waits for that.
        case wait
        case failed(RequestBodyError)
    }

    /// Takes the bytes of the body that have arrived.
    package func takeBody() -> BodyTake {
        hasReadBody = true
        if !buffered.isEmpty {
            let bytes = buffered
            buffered = []
            connection?.updateInterest()
            return .bytes(bytes)
        }
        if let bodyError { return .failed(bodyError) }
        if decoder.isComplete { return .end }
        guard let connection else { return .failed(.truncated) }
        sendContinueIfAsked()
        connection.bodyIsAwaited()
        return .wait
    }

    /// The next bytes of the body, as many as have arrived; nil at its end.
    /// - Throws: `RequestBodyError`; `CancellationError` when the task is cancelled.
    package func nextBodyChunk() async throws -> [UInt8]? {
        while true {
            switch takeBody() {
            case .bytes(let bytes): return bytes
            case .end: return nil
            case .failed(let error): throw error
            case .wait: break
            }
            await withTaskCancellationHandler {
                await withUnsafeContinuation { continuation in bodyWaiter = continuation }
            } onCancel: {
                LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.wakeBodyReader() } }
            }
            try Task.checkCancellation()
        }
    }

    /// RFC 9110 section 10.1.1: not when the body is on its way already, nor when the answer has begun.
    private func sendContinueIfAsked() {
        guard head.expectsContinue, !hasSentContinue, !headWasSent, bodyReceived == 0 else { return }
        hasSentContinue = true
        worker.writer.removeAll(keepingCapacity: true)
        worker.writer.append(ResponseEncoder.continueResponse)
        connection?.transmitWriter()
    }

    /// The whole body: in memory up to `spoolAbove` bytes, beyond that in an unlinked temporary file.
    /// - Throws: `RequestBodyError`; `CancellationError`.
    package func collectBody(spoolAbove threshold: Int) async throws -> CollectedBody {
        var body = CollectedBody.empty
        do {
            while let chunk = try await nextBodyChunk() {
                try body.append(chunk, spoolAbove: threshold, in: worker.configuration.temporaryDirectory)
            }
        } catch {
            body.discard()
            throw error
        }
        return body
    }
}

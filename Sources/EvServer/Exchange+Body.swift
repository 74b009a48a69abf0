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
        case .spoolFailed(let error): error.spoolStatus
        }
    }
}

extension SystemError {
    /// Of a body that could not be kept: 507 for no room, 413 for a body that is larger than there will ever be room.
    fileprivate var spoolStatus: Int {
        switch errno {
        case ENOSPC, EDQUOT: 507
        case EFBIG: 413
        default: 500
        }
    }
}

/// A whole request body, or what has come of it.
package enum CollectedBody {
    case empty
    case bytes([UInt8])
    /// In a file without a name, at offset 0; the descriptor is the receiver's to close.
    indirect case file(fileDescriptor: Int32, count: Int)

    /// Adds bytes: in memory up to `threshold` bytes in all, beyond that in a file of the spool's.
    /// - Throws: `RequestBodyError.spoolFailed`, which is logged already; what came before is still held.
    @LoopActor package mutating func append(
        _ chunk: [UInt8], spoolAbove threshold: Int, to spool: Spool
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
                self = .file(fileDescriptor: try spool.begin(with: chunk, []), count: chunk.count)
            case .bytes(let bytes):
                let descriptor = try spool.begin(with: bytes, chunk)
                self = .file(fileDescriptor: descriptor, count: bytes.count + chunk.count)
            case .file(let descriptor, let count):
                try spool.append(chunk, to: descriptor, at: count)
                self = .file(fileDescriptor: descriptor, count: count + chunk.count)
            }
        } catch { throw .spoolFailed(error) }
    }

    /// Closes what it owns.
    package func discard() {
        if case .file(let descriptor, _) = self { Socket.close(descriptor) }
    }
}

/// A body that is on its way in.
@LoopActor
final class IncomingBody {
    var decoder: BodyDecoder
    var buffered: [UInt8] = []
    var error: RequestBodyError?
    var waiter: UnsafeContinuation<Void, Never>?
    var received: UInt64 = 0
    var windowReceived: UInt64 = 0
    /// Somebody has asked for it.
    var isRead = false
    var hasSentContinue = false

    init(_ decoder: BodyDecoder) { self.decoder = decoder }
}

extension Exchange {
    package var isBodyComplete: Bool { incoming?.decoder.isComplete ?? true }
    /// The decoder of a body that has not been received to its end.
    var unreadBody: BodyDecoder? { incoming?.error == nil ? incoming?.decoder : nil }
    var hasFullBuffer: Bool { (incoming?.buffered.count ?? 0) >= worker.inputBuffer }

    /// Takes the body's bytes and returns those after its end.
    func receiveBody(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let incoming else { return bytes }
        guard !incoming.decoder.isComplete, incoming.error == nil, !bytes.isEmpty else {
            return incoming.error == nil ? bytes : UnsafeRawBufferPointer(start: nil, count: 0)
        }
        var offset = 0
        do throws(HTTP1Error) {
            while case .data(let range) = try incoming.decoder.next(bytes, from: &offset) {
                incoming.received += UInt64(range.count)
                incoming.windowReceived += UInt64(range.count)
                if let limit = worker.configuration.bodyLimit, incoming.received > limit {
                    bodyFailed(.tooLarge)
                    return UnsafeRawBufferPointer(start: nil, count: 0)
                }
                incoming.buffered.append(contentsOf: UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        } catch {
            bodyFailed(.malformed(error))
            return UnsafeRawBufferPointer(start: nil, count: 0)
        }
        if incoming.waiter != nil || onBody != nil, !incoming.buffered.isEmpty || incoming.decoder.isComplete {
            wakeBodyReader()
        }
        return UnsafeRawBufferPointer(rebasing: bytes[offset...])
    }

    func inputEnded() {
        if !isBodyComplete { bodyFailed(.truncated) }
    }

    private func bodyFailed(_ error: RequestBodyError) {
        if let incoming, incoming.error == nil { incoming.error = error }
        wakeBodyReader()
    }

    func wakeBodyReader() {
        onBody?()
        guard let incoming, let waiter = incoming.waiter else { return }
        incoming.waiter = nil
        waiter.resume()
    }

    /// A window of the body's time limit is over. Whether a next one begins.
    func bodyWindowExpired() -> Bool {
        guard let incoming else { return false }
        let due = worker.configuration.bodyMinimumRate * worker.configuration.bodyTimeout
        let isTooSlow = incoming.windowReceived == 0 || Double(incoming.windowReceived) < due
        incoming.windowReceived = 0
        guard incoming.waiter != nil || onBody != nil else { return false }
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
        guard let incoming else { return .end }
        incoming.isRead = true
        if !incoming.buffered.isEmpty {
            let bytes = incoming.buffered
            incoming.buffered = []
            connection?.updateInterest()
            return .bytes(bytes)
        }
        if let error = incoming.error { return .failed(error) }
        if incoming.decoder.isComplete { return .end }
        guard let connection else { return .failed(.truncated) }
        sendContinueIfAsked(incoming)
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
                await withUnsafeContinuation { continuation in incoming?.waiter = continuation }
            } onCancel: {
                LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.wakeBodyReader() } }
            }
            try Task.checkCancellation()
        }
    }

    /// RFC 9110 section 10.1.1: not when the body is on its way already, nor when the answer has begun.
    private func sendContinueIfAsked(_ incoming: IncomingBody) {
        guard head.expectsContinue, !incoming.hasSentContinue, !headWasSent, incoming.received == 0 else { return }
        incoming.hasSentContinue = true
        worker.writer.removeAll(keepingCapacity: true)
        worker.writer.append(ResponseEncoder.continueResponse)
        connection?.transmitWriter()
    }

    package var spool: Spool { worker.spool }

    /// The whole body: in memory up to `spoolAbove` bytes, beyond that in a file of the worker's spool.
    /// - Throws: `RequestBodyError`; `CancellationError`.
    package func collectBody(spoolAbove threshold: Int) async throws -> CollectedBody {
        var body = CollectedBody.empty
        do {
            while let chunk = try await nextBodyChunk() {
                try body.append(chunk, spoolAbove: threshold, to: spool)
            }
        } catch {
            body.discard()
            throw error
        }
        return body
    }
}

// Reading the request body: what the connection brings, and the ways in which apps take it.

import EvLoop
import HTTP1
import HTTPCore

extension Exchange {
    /// All of the body has been received, or there is none.
    package var isBodyComplete: Bool { incoming?.decoder.isComplete ?? true }
    /// The decoder of a body that has not been received to its end.
    var unreadBody: BodyDecoder? { incoming?.error == nil ? incoming?.decoder : nil }
    var hasFullBuffer: Bool {
        guard let incoming, incoming.collector == nil else { return false }
        return incoming.bufferedCount >= worker.inputBuffer
    }

    // MARK: from the connection

    /// Where bytes of the body are to be read to; nil when they must pass through `receiveBody`.
    func roomForBody() -> UnsafeMutableRawBufferPointer? {
        guard let incoming, incoming.error == nil, worker.configuration.bodyLimit == nil || isLengthKnown else {
            return nil
        }
        let limit = incoming.collector == nil ? worker.inputBuffer - incoming.bufferedCount : Int.max
        return incoming.room(upTo: limit)
    }

    /// A length that is known was compared with the limit when the request began.
    private var isLengthKnown: Bool { head.framing != .chunked }

    /// Bytes have been read to where `roomForBody` said.
    func receivedBody(_ count: Int) {
        incoming?.wrote(count)
        bodyArrived()
    }

    /// Takes a body of a known length that has come with the head, and returns the bytes after its end; nil if these
    /// bytes are no such body. They are not copied, and must stay where they are until `keepBorrowedBody`.
    func borrowBody(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer? {
        guard let incoming, case .length(let length) = head.framing, length <= UInt64(bytes.count) else { return nil }
        incoming.borrow(UnsafeRawBufferPointer(rebasing: bytes[..<Int(length)]))
        return UnsafeRawBufferPointer(rebasing: bytes[Int(length)...])
    }

    func keepBorrowedBody() {
        incoming?.keep()
    }

    /// Takes the body's bytes and returns those after its end.
    func receiveBody(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        guard let incoming else { return bytes }
        guard !incoming.decoder.isComplete, incoming.error == nil, !bytes.isEmpty else {
            return incoming.error == nil ? bytes : nothing
        }
        var offset = 0
        do throws(HTTP1Error) {
            while case .data(let range) = try incoming.decoder.next(bytes, from: &offset) {
                if let limit = worker.configuration.bodyLimit, incoming.received + UInt64(range.count) > limit {
                    bodyFailed(.tooLarge)
                    return nothing
                }
                incoming.append(UnsafeRawBufferPointer(rebasing: bytes[range]))
            }
        } catch {
            bodyFailed(.malformed(error))
            return nothing
        }
        bodyArrived()
        return UnsafeRawBufferPointer(rebasing: bytes[offset...])
    }

    private func bodyArrived() {
        guard let incoming else { return }
        if let collector = incoming.collector { return collect(incoming, collector) }
        if incoming.bufferedCount > 0 || incoming.decoder.isComplete { wakeBodyReader() }
    }

    /// A body of no announced length is complete.
    func endBody() {
        guard let incoming, !incoming.decoder.isComplete else { return }
        incoming.decoder.finish()
        bodyArrived()
    }

    /// So many further bytes may belong to the body. What comes behind an error is dropped.
    func hasRoomForBody(_ count: Int) -> Bool {
        guard let incoming else { return false }
        return incoming.error != nil || (incoming.decoder.remaining ?? .max) >= UInt64(count)
    }

    /// Bytes that have come and that nobody has taken, where somebody may still do so.
    var heldBody: Int {
        guard let incoming, incoming.collector == nil, incoming.error == nil, !isGone else { return 0 }
        return incoming.bufferedCount
    }

    /// The client sends no more.
    func inputEnded() {
        guard !isBodyComplete else { return }
        worker.noteDisconnect(.body)
        bodyFailed(.truncated)
    }

    private func bodyFailed(_ error: RequestBodyError) {
        if let incoming, incoming.error == nil {
            incoming.error = error
            if let reason = error.refusal { Counted.add(at: Counter.refusals + reason.rawValue) }
        }
        wakeBodyReader()
    }

    func wakeBodyReader() {
        guard let incoming else { return }
        if let collector = incoming.collector { return collect(incoming, collector) }
        observers.body()
        guard let waiter = incoming.waiter else { return }
        incoming.waiter = nil
        waiter.resume()
    }

    /// A window of the body's time limit is over. Whether a next one begins.
    func bodyWindowExpired() -> Bool {
        guard let incoming else { return false }
        let due = worker.configuration.bodyMinimumRate * worker.configuration.bodyTimeout
        let isTooSlow = incoming.windowReceived == 0 || Double(incoming.windowReceived) < due
        incoming.windowReceived = 0
        guard incoming.waiter != nil || incoming.collector != nil || observers.wantsBody else { return false }
        if isTooSlow { bodyFailed(.tooSlow) }
        return !isTooSlow
    }

    // MARK: to the app

    /// What can be said of the body now.
    package enum BodyTake {
        /// Bytes that have arrived, never empty.
        case bytes(BodyBytes)
        case end
        /// Nothing yet; `onBody` will tell. The client has been told to go on if it waits for that.
        case wait
        case failed(RequestBodyError)
    }

    /// Takes the bytes of the body that have arrived.
    package func takeBody() -> BodyTake {
        guard let incoming else { return .end }
        incoming.isRead = true
        if let bytes = incoming.takeBuffer() {
            if !isGone { carrier.bodyWasTaken() }
            return .bytes(bytes)
        }
        if let error = incoming.error { return .failed(error) }
        if incoming.decoder.isComplete { return .end }
        guard !isGone else { return .failed(.truncated) }
        awaitBody(incoming)
        return .wait
    }

    /// Somebody waits for the body: the client is told to send it, if it wants to be told, and has to make progress.
    private func awaitBody(_ incoming: IncomingBody) {
        // RFC 9110 section 10.1.1: not when the body is on its way already, nor when the answer has begun.
        if head.expectsContinue, !incoming.hasSentContinue, !headWasSent, incoming.received == 0 {
            incoming.hasSentContinue = true
            carrier.sendContinue()
        }
        carrier.bodyIsAwaited()
    }

    /// The same bytes for a caller in C, which reads them before it asks again.
    package func lendBody() -> BodyTake {
        let taken = takeBody()
        if case .bytes(let bytes) = taken { incoming?.lent = bytes }
        return taken
    }

    /// The next bytes of the body, as many as have arrived; nil at its end.
    /// - Throws: `RequestBodyError`; `CancellationError` when the task is cancelled.
    package func nextBodyChunk() async throws -> [UInt8]? {
        while true {
            switch takeBody() {
            case .bytes(let bytes): return bytes.array
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

    /// The whole body, if it has been received already: then `collectBody` need not be called.
    package func wholeBody() -> CollectedBody? {
        guard let incoming else { return .empty }
        guard incoming.error == nil, incoming.decoder.isComplete else { return nil }
        incoming.isRead = true
        if let borrowed = incoming.takeBorrowed() { return .lent(borrowed) }
        return incoming.takeBuffer().map { .bytes($0) } ?? .empty
    }

    /// The whole body: in memory up to `spoolAbove` bytes, beyond that in an unlinked temporary file. `done` is called
    /// once, before the return when the body is there already; no task waits for it.
    package func collectBody(
        spoolAbove threshold: Int, _ done: @escaping (Result<CollectedBody, RequestBodyError>) -> Void
    ) {
        if let whole = wholeBody() { return done(.success(whole)) }
        guard let incoming else { return }
        let collector = BodyCollector(spoolAbove: threshold, to: worker.spool, done)
        incoming.isRead = true
        incoming.collector = collector
        collect(incoming, collector)
        guard incoming.collector != nil else { return }
        awaitBody(incoming)
        carrier.bodyWasTaken()
    }

    private func collect(_ incoming: IncomingBody, _ collector: BodyCollector) {
        func finish(_ result: Result<CollectedBody, RequestBodyError>) {
            incoming.collector = nil
            collector.done(result)
        }
        if let error = incoming.error { return finish(.failure(error)) }
        do throws(RequestBodyError) {
            if incoming.decoder.isComplete {
                return finish(.success(try collector.finish(incoming.takeBuffer())))
            }
            guard !isGone else { return finish(.failure(.truncated)) }
            if let buffer = incoming.buffer { try collector.spoolIfLong(buffer) }
        } catch {
            finish(.failure(error))
        }
    }
}

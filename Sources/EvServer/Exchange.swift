// One request and its response, as an application sees them. The client may leave at any moment: then the task is
// cancelled, waits end with an error, and what is written afterwards goes nowhere without a word.

package import EvLoop
import Glibc
package import HTTP1
package import Logging

@LoopActor
package final class Exchange {
    // MARK: the request
    package let head: RequestHead
    /// Monotonic seconds at which the head was complete.
    package let startedAt: Double
    /// Where it came from, known beyond the connection's end.
    private let origin: Connection
    var task: Task<Void, Never>?
    var observers: Observers?
    // Flags stand together, where they leave no gaps: each request that waits keeps an exchange.
    private var isAttached = true
    private var hasEnded = false
    private var hasReportedOverrun = false
    /// Somebody waits for the socket itself to take bytes again, not for the queue to drain.
    var waitsForSocket = false
    var hasWrittenSinceLastCheck = false
    /// No task runs now; one will when what the request waits for has come.
    var isParked = false {
        didSet { if isParked { task = nil } }
    }
    /// The client has left before the end of its response.
    package private(set) var clientHasLeft = false
    /// The app has been called for this request. Whoever calls it says so: a request that ends without, because its
    /// client has left, is counted as dropped.
    package var appWasCalled = false
    /// The deadline has passed.
    package internal(set) var isOverdue = false
    /// The place among the requests with a deadline; -1 for none.
    var deadlineIndex: Int32 = -1
    /// Monotonic seconds at which the request is given up; infinity for never. May be moved until the response ends.
    package var deadline = Double.infinity {
        didSet { if !isFinished { worker.requestDeadlines.update(self) } }
    }

    // MARK: its body
    /// Nil for a request without a body.
    let incoming: IncomingBody?

    // MARK: the response
    var encoder: ResponseEncoder
    package internal(set) var headWasSent = false
    var isFinished = false {
        didSet { if deadlineIndex >= 0 { worker.requestDeadlines.remove(self) } }
    }
    var status = 0
    /// The head that was sent, and maybe bytes after it; kept only for an access log that shows fields of it.
    var sentHead: [UInt8] = []
    var bodySent: UInt64 = 0
    var drainWaiter: UnsafeContinuation<Void, Never>?

    init(_ head: RequestHead, _ connection: Connection) {
        self.head = head
        origin = connection
        startedAt = EventLoop.coarseNow()
        let decoder = BodyDecoder(framing: head.framing, limits: connection.worker.configuration.limits)
        incoming = decoder.isComplete ? nil : IncomingBody(decoder)
        encoder = ResponseEncoder(requestIsHead: head.isHead, requestVersion: head.version, keepAlive: false)
    }

    var worker: Worker { origin.worker }
    /// Nil from the end of the response on, or when the client has left.
    var connection: Connection? { isAttached ? origin : nil }
    package nonisolated var peer: PeerAddress { origin.peer }
    /// The client's address; empty for a unix socket.
    package var remoteAddress: String { peer.host }
    package var remotePort: UInt16 { peer.port }
    package var local: ListeningSocket { origin.listener.socket }
    /// The client has left; nothing that is written arrives.
    package var isGone: Bool { !isAttached }
    package var logger: Logger { worker.logger }
    package var configuration: ServerConfiguration { worker.configuration }

    // MARK: the task

    func run() {
        worker.requestBegins(self)
        if case .length(let length) = head.framing, let limit = worker.configuration.bodyLimit, length > limit {
            fail(status: 413)
            return taskEnded()
        }
        if worker.isDraining, worker.isRefusing {
            fail(status: 503)
            return taskEnded()
        }
        if worker.configuration.requestTimeout > 0 { deadline = startedAt + worker.configuration.requestTimeout }
        worker.application.begin(self)
    }

    /// Keeps the task that is to be cancelled when the client leaves.
    package func attach(_ task: Task<Void, Never>) {
        if !hasEnded, !isParked { self.task = task }
    }

    /// The app has returned. A request that it left unanswered is answered here.
    package func taskEnded() {
        guard !hasEnded else { return }
        hasEnded = true
        task = nil
        observers = nil
        if !isFinished, !isGone {
            worker.logger.error("The app returned without finishing its response", metadata: requestMetadata)
            fail()
        }
        if clientHasLeft, !appWasCalled { worker.requestDropped(self) }
        worker.taskEnded()
    }

    /// The connection is gone: the app's task is cancelled and its waits end.
    func clientLeft() {
        if !isFinished {
            isFinished = true
            clientHasLeft = true
            // 499 is what proxies log for a client that left before its answer began.
            worker.accessLog?.append(self, status: headWasSent ? status : 499, bodyBytes: bodySent)
        }
        isAttached = false
        wakeBodyReader()
        wakeWriter()
        task?.cancel()
        onClientLeft?()
    }

    var requestMetadata: Logger.Metadata {
        ["method": "\(head.string(head.method))", "path": "\(head.string(head.path))"]
    }

    // MARK: the head of the response

    /// Begins a response. Nothing may be awaited from here to `sendHead` or `sendComplete`.
    /// - Throws: `HTTP1Error` for a status outside of 100...999 or control bytes in the reason.
    package func startResponse(status: Int, reason: UnsafeRawBufferPointer? = nil) throws(HTTP1Error) {
        self.status = status
        worker.writer.removeAll(keepingCapacity: true)
        var encoder = ResponseEncoder(requestIsHead: head.isHead, requestVersion: head.version, keepAlive: mayKeepAlive)
        try encoder.start(status: status, reason: reason, into: worker.writer)
        self.encoder = encoder
    }

    /// Adds a field of the app's.
    /// - Throws: `HTTP1Error` for bytes that must not reach the wire and for fields that are the server's to write.
    package func addField(name: UnsafeRawBufferPointer, value: UnsafeRawBufferPointer) throws(HTTP1Error) {
        // On a copy: a call inside an access to a class's property is tracked at run time.
        var encoder = encoder
        try encoder.field(name: name, value: value, into: worker.writer)
        self.encoder = encoder
    }

    /// Forgets a head that was begun and not sent.
    package func abandonResponse() {
        worker.writer.removeAll(keepingCapacity: true)
    }

    /// Sends the head; it leaves with the first bytes of the body or before the loop waits again.
    /// - Parameter contentLength: bytes that will follow, when they are known and the app gave no Content-Length.
    package func sendHead(contentLength: UInt64? = nil) throws(HTTP1Error) {
        try finishHead(contentLength.map { .known($0) } ?? .unknown)
        connection?.deferWriter()
    }

    /// Sends head, body and end in one write.
    package func sendComplete(body: UnsafeRawBufferPointer) throws(HTTP1Error) {
        try finishHead(.known(UInt64(body.count)))
        let writer = worker.writer
        var encoder = encoder
        let count = encoder.bodyPrefix(count: body.count, into: writer)
        bodySent = UInt64(count)
        let sent = UnsafeRawBufferPointer(rebasing: body[..<count])
        let isCopied = count <= Self.copyLimit
        if isCopied {
            writer.append(sent)
        } else {
            connection?.transmitWriter(sent)
            writer.removeAll(keepingCapacity: true)
        }
        if count > 0 { encoder.bodySuffix(into: writer) }
        _ = encoder.end(into: writer)
        self.encoder = encoder
        reportOverrun()
        if isCopied || !writer.isEmpty { connection?.transmitWriter() }
        end()
    }

    private func finishHead(_ length: ResponseEncoder.ContentLength) throws(HTTP1Error) {
        var encoder = encoder
        try worker.finishHead(length, with: &encoder)
        self.encoder = encoder
        headWasSent = true
        worker.accessLog?.keepHead(of: self)
    }

    /// Another request may follow, as far as the request and this worker's state go.
    var mayKeepAlive: Bool {
        guard head.keepAlive, worker.configuration.keepAliveTimeout > 0, !worker.isDraining,
            connection?.isHalfClosed == false
        else { return false }
        guard let incoming else { return true }
        if incoming.error != nil { return false }
        if incoming.decoder.isComplete || incoming.isRead { return true }
        // Nobody has asked for the body yet. A short one can be swallowed; one that the client holds back cannot.
        if head.expectsContinue && !incoming.hasSentContinue { return false }
        return (incoming.decoder.remaining ?? .max) <= UInt64(worker.configuration.drainLimit)
    }

    // MARK: the body of the response

    package enum WriteResult { case ok, full, gone }

    /// Payloads up to this size are copied behind their framing, larger ones are sent from where they are.
    private static let copyLimit = 16_384

    /// Sends bytes of the body. After `.full`, `drained()` is to be awaited before the next call.
    package func write(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard headWasSent, !isFinished, let connection else { return .gone }
        hasWrittenSinceLastCheck = true
        worker.writer.removeAll(keepingCapacity: true)
        let count = encoder.bodyPrefix(count: bytes.count, into: worker.writer)
        reportOverrun()
        guard count > 0 else { return .ok }
        bodySent += UInt64(count)
        let sent = UnsafeRawBufferPointer(rebasing: bytes[..<count])
        if count <= Self.copyLimit {
            worker.writer.append(sent)
            encoder.bodySuffix(into: worker.writer)
            connection.transmitWriter()
        } else {
            connection.transmitWriter(sent)
            worker.writer.removeAll(keepingCapacity: true)
            encoder.bodySuffix(into: worker.writer)
            if !worker.writer.isEmpty { connection.deferWriter() }
        }
        return isGone ? .gone : connection.output.count >= worker.highWaterMark ? .full : .ok
    }

    /// Whether the client has taken enough of what was written, or has left, so that a writer need not wait.
    package var isDrained: Bool {
        connection.map { $0.output.count <= worker.highWaterMark / 2 } ?? true
    }

    /// Waits until the client has taken enough of what was written.
    /// - Throws: `CancellationError` when the task is cancelled or the client has left.
    package func drained() async throws {
        while let connection, connection.output.count > worker.highWaterMark / 2 {
            try await waitForWriter()
        }
        guard !isGone, !Task.isCancelled else { throw CancellationError() }
    }

    /// Waits in poll(2), and blocks the loop, until the client has taken enough or its time is up. Only for a
    /// synchronous app on the loop's own thread, which has no other way to wait.
    package func flushBlocking() {
        guard let connection else { return }
        let limit = worker.configuration.writeTimeout > 0 ? worker.configuration.writeTimeout : 3600
        while !isGone, connection.output.count > worker.highWaterMark / 2 {
            guard Socket.waitBlocking(connection.fileDescriptor, for: .write, seconds: limit) else {
                return connection.gone(reset: true)
            }
            connection.writable()
        }
    }

    /// Sends bytes of a regular file by sendfile(2). The head must have been sent with a length that covers them.
    /// - Throws: `CancellationError` when the client leaves; `SystemError` when the file cannot be read, or is short.
    package func sendFile(fileDescriptor: Int32, offset: Int, count: Int) async throws {
        guard headWasSent, !isFinished else { return }
        worker.writer.removeAll(keepingCapacity: true)
        let count = encoder.bodyPrefix(count: count, into: worker.writer)
        reportOverrun()
        guard count > 0 else { return }
        connection?.transmitWriter()
        var position = Int64(offset)
        var left = count
        while left > 0 {
            guard let connection else { throw CancellationError() }
            if connection.output.isEmpty {
                // A bounded piece each time, so that one download cannot keep the loop from its other connections.
                let sent = Socket.sendFile(
                    connection.fileDescriptor, from: fileDescriptor, offset: &position, count: min(left, 1 << 20))
                if sent > 0 {
                    left -= sent
                    bodySent += UInt64(sent)
                    hasWrittenSinceLastCheck = true
                    if left > 0 { await Task.yield() }
                    continue
                }
                if sent == 0 { throw SystemError("sendfile: the file is shorter than announced", errno: EIO) }
                guard sent == SocketError.wouldBlock else {
                    if sent == -Int(EPIPE) || sent == -Int(ECONNRESET) {
                        connection.gone()
                        throw CancellationError()
                    }
                    throw SystemError("sendfile", errno: Int32(-sent))
                }
                waitsForSocket = true
                connection.waitForWriting()
            }
            try await waitForWriter()
        }
        connection?.stopWaitingForWriting()
        worker.writer.removeAll(keepingCapacity: true)
        encoder.bodySuffix(into: worker.writer)
        if !worker.writer.isEmpty { connection?.deferWriter() }
    }

    private func waitForWriter() async throws {
        guard !isGone, !Task.isCancelled else { throw CancellationError() }
        await withTaskCancellationHandler {
            await withUnsafeContinuation { continuation in drainWaiter = continuation }
        } onCancel: {
            LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.wakeWriter() } }
        }
        guard !isGone, !Task.isCancelled else { throw CancellationError() }
    }

    func outputDrained() { wakeWriter() }

    func wakeWriter() {
        waitsForSocket = false
        onDrained?()
        guard let waiter = drainWaiter else { return }
        drainWaiter = nil
        waiter.resume()
    }

    /// Ends the response. A body that is shorter than announced closes the connection. Idempotent.
    package func finish() {
        guard headWasSent, !isFinished else { return }
        worker.writer.removeAll(keepingCapacity: true)
        _ = encoder.end(into: worker.writer)
        if !worker.writer.isEmpty { connection?.transmitWriter() }
        end()
    }

    private func end() {
        guard !isFinished else { return }
        isFinished = true
        if encoder.isShort {
            worker.logger.warning("The app sent fewer bytes than its Content-Length", metadata: requestMetadata)
        }
        worker.accessLog?.append(self, status: status, bodyBytes: bodySent)
        connection?.responseFinished(self, mustClose: encoder.mustClose)
        isAttached = false
    }

    /// Answers with an error when nothing has been sent, else breaks the response off so that the client sees it.
    package func fail(status: Int = 500) {
        guard !isFinished else { return }
        guard !headWasSent else {
            isFinished = true
            worker.accessLog?.append(self, status: self.status, bodyBytes: bodySent)
            let connection = connection
            isAttached = false
            connection?.breakOff(reset: isUntilClose)
            return
        }
        self.status = status
        worker.writer.removeAll(keepingCapacity: true)
        encoder = ResponseEncoder(requestIsHead: head.isHead, requestVersion: head.version, keepAlive: mayKeepAlive)
        do throws(HTTP1Error) {
            bodySent = UInt64(try worker.encodeError(status, with: &encoder))
        } catch {
            connection?.gone()
            return
        }
        headWasSent = true
        worker.accessLog?.keepHead(of: self)
        connection?.transmitWriter()
        end()
    }

    /// Only the close tells the end of this response, so a good close must not follow a broken body.
    var isUntilClose: Bool { headWasSent && encoder.framing == .untilClose }

    private func reportOverrun() {
        guard encoder.overran, !hasReportedOverrun else { return }
        hasReportedOverrun = true
        worker.logger.warning(
            "The app sent more bytes than its Content-Length; the rest is dropped", metadata: requestMetadata)
    }
}

// One connection, read as a loop: bytes come in, heads become exchanges one at a time, answers go out, and then it is
// idle again or closes. It owns the socket; it decides nothing about HTTP that `HTTP1` decides. An idle connection
// holds no buffer, no task and no exchange.

import EvLoop
import Glibc
import HTTP1
import Logging

@LoopActor
final class Connection {
    // MARK: per connection
    let fileDescriptor: Int32
    let peer: PeerAddress
    let listener: Listener
    let worker: Worker
    private(set) var node: WaitNode!
    private var watcher: IOWatcher!

    // MARK: per message
    /// A head that has begun and not ended.
    private var partial: PartialHead?
    /// Later requests, waiting for the present one to be answered.
    private(set) var pending: [UInt8] = []
    /// The rest of a body that nobody read and that is short enough to swallow.
    private var unread: IncomingBody?
    private(set) var exchange: Exchange?

    // MARK: output
    var writeNode: WaitNode?
    var output = OutputQueue()
    var isUnflushed = false

    // MARK: how it ends
    enum Ending { case none, afterOutput(linger: Bool), lingering, closed }
    var ending = Ending.none
    private(set) var isHalfClosed = false
    private var isParsing = false

    init(_ fileDescriptor: Int32, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker) {
        self.fileDescriptor = fileDescriptor
        self.peer = peer
        self.listener = listener
        self.worker = worker
        let node = WaitNode(self)
        self.node = node
        // The node knows its connection already: a closure over this one object needs no context of its own.
        watcher = IOWatcher(worker.loop, fileDescriptor: fileDescriptor, events: .read) { [node] events in
            node.connection.ready(events)
        }
    }

    /// The connection keeps itself alive until it closes.
    func start() {
        _ = Unmanaged.passRetained(self)
        worker.deadlines.begin(.head, node)
        watcher.start()
    }

    /// No byte of a request has come.
    var isSilent: Bool { partial?.parser.hasSeenBytes != true }
    var isClosed: Bool { if case .closed = ending { true } else { false } }
    private var isEnding: Bool { if case .none = ending { false } else { true } }

    private func ready(_ events: IOEvents) {
        // The last reference may go with a close inside these calls.
        withExtendedLifetime(self) {
            if events.contains(.write), output.isWaiting || exchange?.waitsForSocket == true { writable() }
            if events.contains(.read), !isClosed { readable() }
        }
    }

    // MARK: reading

    private func readable() {
        let count = Socket.read(fileDescriptor, into: worker.readBuffer)
        if count > 0 {
            received(UnsafeRawBufferPointer(rebasing: worker.readBuffer[..<count]))
        } else if count == 0 {
            endOfInput()
        } else if count != SocketError.wouldBlock {
            gone()
        }
    }

    private func received(_ bytes: UnsafeRawBufferPointer) {
        if isEnding { return }
        var bytes = bytes
        if let exchange {
            bytes = exchange.receiveBody(bytes)
            pending.append(contentsOf: bytes)
            return updateInterest()
        }
        if unread != nil {
            bytes = swallow(bytes)
            if isEnding || unread != nil { return }
        }
        if let partial {
            self.partial = nil
            partial.bytes.append(contentsOf: bytes)
            partial.bytes.withUnsafeBytes { parseRequests($0, continuing: partial) }
        } else {
            parseRequests(bytes, continuing: nil)
        }
    }

    /// Starts the requests in these bytes, each after the one before it has been answered.
    private func parseRequests(_ bytes: UnsafeRawBufferPointer, continuing begun: PartialHead?) {
        var parser = begun?.parser ?? worker.parser
        var begun = begun
        var bytes = bytes
        isParsing = true
        defer { isParsing = false }
        while exchange == nil, unread == nil, !isEnding, !bytes.isEmpty, !isOutputFull {
            switch parser.parse(bytes) {
            case .head(let head, let consumed):
                bytes = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
                parser = worker.parser
                begun = nil
                begin(head, &bytes)
                if unread != nil { bytes = swallow(bytes) }
            case .needMoreData:
                partial = PartialHead(parser, bytes, since: begun?.since)
                bytes = UnsafeRawBufferPointer(start: nil, count: 0)
                // The time of a head counts from its first byte and not from each.
                if begun == nil { worker.deadlines.begin(.head, node) }
            case .failure(let error):
                return refuse(error, bytes, since: begun?.since)
            }
        }
        if isEnding { return }
        pending.append(contentsOf: bytes)
        if exchange == nil, partial == nil, unread == nil { worker.deadlines.begin(.keepAlive, node) }
        updateInterest()
    }

    /// A peer that sends requests and reads no answers gets no further ones made.
    private var isOutputFull: Bool { output.count >= worker.highWaterMark }

    private func begin(_ head: RequestHead, _ bytes: inout UnsafeRawBufferPointer) {
        let exchange = Exchange(head, self)
        self.exchange = exchange
        bytes = exchange.receiveBody(bytes)
        // A request that is answered inside `run` leaves the connection in the list it was in, but one whose body is
        // still to come may be timed from the first line of the app.
        if !exchange.isBodyComplete { worker.deadlines.begin(.active, node) }
        exchange.run()
        if self.exchange === exchange, node.wait != .body { worker.deadlines.begin(.active, node) }
    }

    private func swallow(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard let unread else { return bytes }
        var offset = 0
        do throws(HTTP1Error) {
            while case .data = try unread.decoder.next(bytes, from: &offset) {}
        } catch {
            close(linger: true)
            return bytes
        }
        if unread.decoder.isComplete { self.unread = nil }
        // A chunked body tells its length only as it comes; its framing counts, because it costs as much to read.
        unread.received += UInt64(offset)
        guard self.unread == nil || unread.received <= UInt64(worker.configuration.drainLimit) else {
            close(linger: true)
            return bytes
        }
        if self.unread == nil, !isParsing { worker.deadlines.begin(.keepAlive, node) }
        return UnsafeRawBufferPointer(rebasing: bytes[offset...])
    }

    /// What a client still owes or sends too early decides whether the socket is read.
    func updateInterest() {
        guard !isClosed else { return }
        let isFull =
            pending.count >= worker.inputBuffer || exchange?.hasFullBuffer == true || (exchange == nil && isOutputFull)
        let reading: IOEvents = isHalfClosed || isFull ? .none : .read
        let writing: IOEvents = output.isWaiting || exchange?.waitsForSocket == true ? .write : .none
        watcher.setEvents(reading.union(writing))
    }

    /// A FIN. It may be a half-close: a request that runs is still owed its answer (RFC 9112 section 9.6).
    private func endOfInput() {
        guard let exchange, !isEnding else {
            if case .afterOutput = ending {
                isHalfClosed = true
                return updateInterest()
            }
            return closeNow()
        }
        isHalfClosed = true
        updateInterest()
        worker.deadlines.begin(.halfClose, node)
        worker.departures.watch(self)
        exchange.inputEnded()
    }

    // MARK: the end of a response

    /// The exchange has been answered; what follows on this connection is decided here.
    func responseFinished(_ exchange: Exchange, mustClose: Bool) {
        guard self.exchange === exchange else { return }
        self.exchange = nil
        if mustClose || isHalfClosed {
            // Only a client that asked for the close and has sent all it announced is known to send nothing more.
            return close(
                linger: !(isHalfClosed || (!exchange.head.keepAlive && exchange.isBodyComplete && pending.isEmpty)))
        }
        if !exchange.isBodyComplete {
            guard let decoder = exchange.unreadBody,
                (decoder.remaining ?? 0) <= UInt64(worker.configuration.drainLimit)
            else { return close(linger: true) }
            // Apart from the exchange's: for whoever still reads there, the body breaks off here.
            unread = IncomingBody(decoder)
            worker.deadlines.begin(.linger, node)
        }
        guard !isParsing else { return }
        if unread == nil { worker.deadlines.begin(.keepAlive, node) }
        // The next request must not run inside the task of this one.
        if pending.isEmpty { updateInterest() } else { LoopExecutor.shared.later { [self] in self.parsePending() } }
    }

    func parsePending() {
        guard exchange == nil, !isEnding, !pending.isEmpty, !isOutputFull else { return updateInterest() }
        let bytes = pending
        pending = []
        bytes.withUnsafeBytes { received($0) }
    }

    /// Answers a head that cannot be served and closes; its bytes are never looked at again.
    private func refuse(_ error: HTTP1Error, _ received: UnsafeRawBufferPointer, since: Double?) {
        worker.logger.debug(
            "Refused a request",
            metadata: ["status": "\(error.statusHint)", "reason": "\(error.detail)", "peer": "\(peer.host)"])
        refuse(status: Int(error.statusHint), received, since: since)
    }

    private func refuse(status: Int, _ received: UnsafeRawBufferPointer, since: Double?) {
        worker.writer.removeAll(keepingCapacity: true)
        var encoder = ResponseEncoder(requestIsHead: false, requestVersion: .http11, keepAlive: false)
        do throws(HTTP1Error) {
            let bodyBytes = try worker.encodeError(status, with: &encoder)
            worker.accessLog?.append(
                refused: received, of: self, since: since ?? EventLoop.monotonicNow(), status: status,
                bodyBytes: UInt64(bodyBytes))
            transmitWriter()
        } catch {}  // only a head with fields of an app's can fail
        close(linger: true)
    }

    // MARK: closing

    /// Closes when the output is out. With `linger`, what the client still sends is swallowed for a while, because
    /// closing on unread bytes resets the connection and may cost the client the answer.
    func close(linger: Bool) {
        guard !isEnding else { return }
        partial = nil
        pending = []
        unread = nil
        ending = .afterOutput(linger: linger)
        if output.isEmpty { endOutput(linger: linger) } else if !output.isWaiting { flushDeferred() }
    }

    func endOutput(linger: Bool) {
        guard linger, !isHalfClosed else { return closeNow() }
        ending = .lingering
        Socket.shutdownWriting(fileDescriptor)
        worker.deadlines.begin(.linger, node)
        updateInterest()
    }

    /// The peer is not there any more, or must not get an end that looks like a good one.
    func gone(reset: Bool = false) {
        guard !isClosed else { return }
        let exchange = exchange
        self.exchange = nil
        closeNow(reset: reset)
        exchange?.clientLeft()
    }

    /// A response that cannot be completed: the connection closes without anything that looks like its end.
    func breakOff(reset: Bool) {
        exchange = nil
        if reset { closeNow(reset: true) } else { close(linger: true) }
    }

    /// Ends everything at once.
    func abort() { gone(reset: exchange?.isUntilClose == true) }

    private func closeNow(reset: Bool = false) {
        guard !isClosed else { return }
        ending = .closed
        watcher.stop()
        worker.deadlines.remove(node)
        if let writeNode { worker.deadlines.remove(writeNode) }
        if isHalfClosed { worker.departures.forget(self) }
        output = OutputQueue()
        pending = []
        partial = nil
        if reset { Socket.closeWithReset(fileDescriptor) } else { Socket.closeConnection(fileDescriptor) }
        Unmanaged.passUnretained(self).release()
        worker.connectionClosed()
    }

    /// Closes an idle connection unless its next request has just arrived; that one is served instead.
    func closeIfStillIdle() -> Bool {
        guard exchange == nil, !isClosed else { return false }
        let count = Socket.read(fileDescriptor, into: worker.readBuffer)
        if count > 0 {
            worker.deadlines.begin(.active, node)
            received(UnsafeRawBufferPointer(rebasing: worker.readBuffer[..<count]))
            return isClosed
        }
        closeNow()
        return true
    }

    // MARK: time

    /// A wait of this connection has lasted as long as it may; the node is in no list now.
    func expired(_ wait: Wait) {
        switch wait {
        case .head:
            guard !isSilent, let partial else { return closeNow() }
            partial.bytes.withUnsafeBytes { refuse(status: 408, $0, since: partial.since) }
        case .body:
            guard let exchange else { return closeNow() }
            worker.deadlines.begin(exchange.bodyWindowExpired() ? .body : .active, node)
        case .keepAlive:
            _ = closeIfStillIdle()
        case .halfClose:
            guard let exchange else { return closeNow() }
            // A streamed answer whose reader takes bytes proves that somebody is there.
            guard exchange.hasWrittenSinceLastCheck else { return gone() }
            exchange.hasWrittenSinceLastCheck = false
            worker.deadlines.begin(.halfClose, node)
        case .linger:
            closeNow()
        case .write:
            worker.logger.info(
                "Closed a connection whose peer reads nothing",
                metadata: ["peer": "\(peer.host)", "bytes": "\(output.count)"])
            gone(reset: true)
        case .active:
            break
        }
    }

    /// Somebody waits for the body from now on: it has to make progress.
    func bodyIsAwaited() {
        if node.wait == .active { worker.deadlines.begin(.body, node) }
    }
}

/// A head of which the end is still missing: its bytes so far, and the parser that knows how far it has looked.
final class PartialHead {
    var bytes: [UInt8]
    let parser: RequestParser
    /// Monotonic seconds at which the first of the bytes came.
    let since: Double
    init(_ parser: RequestParser, _ bytes: UnsafeRawBufferPointer, since: Double?) {
        self.parser = parser
        self.bytes = Array(bytes)
        self.since = since ?? EventLoop.coarseNow()
    }
}

// One connection in one of its stages: a class for each protocol that may be spoken on it. What every stage needs
// stands here: the transport, waiting for it, bytes on their way out, and how it all ends. What the bytes mean is for
// the subclass. A stage ends by closing, or by handing transport and left-over bytes to the next one (`become`).

package import EvLoop
import HTTPCore
import Logging

@LoopActor
package class Connection: Waiter {
    // A constant, because that need not be retained for each call.
    final let worker: Worker
    /// The other end of the socket, or who that says has connected to it: a stage that has been told gives it to the
    /// next one. Whether the fields of a proxy are believed is asked of this address.
    package final let peer: PeerAddress
    /// What the peer's fields say of its clients is believed.
    final let trustsPeer: Bool
    final let listener: Listener
    // Only the stage that begins TLS changes it, and nobody has it when the connection goes.
    @exclusivity(unchecked) final private(set) nonisolated(unsafe) var transport: Transport
    /// Nil without TLS.
    package final var secureStream: TLSStream? {
        if case .tls(let stream) = transport { stream.takeUnretainedValue() } else { nil }
    }
    /// The other end speaks TLS, as the transport or a PROXY header says.
    final var isSecure: Bool { transport.isSecure }
    // Nothing calls back into the connection while one of those without checks is being changed.
    @exclusivity(unchecked) private final var watcher: SocketWatcher?
    private final var writeLimit: WriteLimit?

    /// It was accepted beyond `--connections`, so that health can be asked for.
    @exclusivity(unchecked) final var isSpare = false

    // MARK: output
    @exclusivity(unchecked) final var output = OutputQueue()
    /// There are bytes in `output` that wait for more of them, or for the end of this turn of the loop.
    private final var isDeferred = false

    // MARK: how it ends
    enum Ending { case none, afterOutput(linger: Bool), lingering, closed }
    final private(set) var ending = Ending.none
    /// The peer has sent all that it will send.
    final private(set) var isHalfClosed = false

    init(_ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker) {
        self.transport = transport
        transport.retain()
        self.peer = peer
        trustsPeer = worker.forwarding.trusts(peer)
        self.listener = listener
        self.worker = worker
        super.init()
        let owner = Unmanaged.passUnretained(self).toOpaque()
        watcher = SocketWatcher(worker.loop, fileDescriptor: transport.fileDescriptor, owner: owner) { owner, events in
            guard let owner else { return }
            let connection = Unmanaged<Connection>.fromOpaque(owner)
            LoopActor.assumeIsolated { connection.takeUnretainedValue().ready(events) }
        }
    }

    deinit { transport.release() }

    /// Begins to serve. The connection keeps itself alive until it closes.
    /// - Parameter leftOver: bytes that an earlier stage has read and that are not its own.
    package final func start(_ leftOver: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        _ = Unmanaged.passRetained(self)
        begun()
        updateInterest()
        if !leftOver.isEmpty { received(leftOver) }
    }

    /// Ends this stage: the transport goes on in the stage that `make` returns.
    /// - Returns: that stage; nil when the connection is closed.
    @discardableResult
    package final func become<Next: Connection>(
        _ make: (Transport, PeerAddress, Listener, Worker) -> Next, leftOver: UnsafeRawBufferPointer
    ) -> Next? {
        guard !isClosed else { return nil }
        leaveLoop()
        // What was due was to be read by this stage.
        secureStream?.isReadDue = false
        let next = make(transport, peer, listener, worker)
        next.isSpare = isSpare
        next.output = output
        output = OutputQueue()
        next.start(leftOver)
        if next.output.isWaiting { next.waitForWriting() }
        Unmanaged.passUnretained(self).release()
        return next
    }

    /// From now on the bytes of this stage, and of those that follow, come over TLS.
    final func secure(_ stream: TLSStream) { transport = .tls(.passRetained(stream)) }

    // MARK: what a stage decides

    /// It has become this connection's turn.
    func begun() {}
    /// Bytes have come. They are gone when this returns.
    func received(_ bytes: UnsafeRawBufferPointer) {}
    /// The peer has sent all that it will send.
    func inputEnded() { close(linger: false) }
    /// No further bytes are to be read at the moment.
    var isFull: Bool { false }
    /// Somebody waits for the transport itself to take bytes.
    var waitsForTransport: Bool { false }
    /// The transport has taken bytes that waited.
    func outputTaken() {}
    /// The peer is gone, or is given up: no bytes reach it.
    func peerLeft() {}
    /// Nothing is begun: bytes that come now begin a request.
    var isIdle: Bool { true }
    /// Whether the response that is being sent has no other end than that of the connection.
    var endsWithClose: Bool { false }
    /// Where it is, if its peer leaves now; nil where that is no loss.
    var lossPhase: DisconnectPhase? { .idle }
    override final func record(_ options: RecordOptions) -> ConnectionRecord? { ownRecord(options) }
    /// What is said before an idle connection is closed.
    func sayGoodbye() {}
    /// What goes to another process with the transport; nil where this stage cannot go now.
    var parcel: Parcel? { nil }
    /// It was to go to another process, and will not.
    func stays() {}

    // MARK: readiness

    final var isClosed: Bool { if case .closed = ending { true } else { false } }
    final var isEnding: Bool { if case .none = ending { false } else { true } }

    private final func ready(_ events: Int32) {
        // The last reference may go with a close inside these calls.
        defer { extendLifetime(self) }
        let events = IOEvents(rawValue: events)
        guard case .plain = transport else { return readySecurely(events) }
        if events.contains(.write), output.isWaiting || waitsForTransport { writable() }
        if events.contains(.read), !isClosed { readable() }
    }

    /// Reads once. A stage that knows where the bytes will be wanted reads them to there.
    func readable() {
        take(transport.read(into: worker.readBuffer), worker.readBuffer)
    }

    /// Goes on with what a read has brought.
    final func take(_ count: Int, _ buffer: UnsafeMutableRawBufferPointer) {
        if count > 0 {
            Counted.add(UInt64(count), at: Counter.bytesReceived)
            if !isEnding { received(UnsafeRawBufferPointer(rebasing: buffer[..<count])) }
        } else {
            readFailed(count)
        }
    }

    final func readFailed(_ result: Int) {
        if result == 0 { endOfInput() } else if result != SocketError.wouldBlock { gone() }
    }

    private final func endOfInput() {
        isHalfClosed = true
        switch ending {
        case .none: inputEnded()
        case .afterOutput: updateInterest()
        case .lingering, .closed: closeNow()
        }
    }

    /// What is read and written decides what is waited for.
    final func updateInterest() {
        guard !isClosed else { return }
        let reading: IOEvents = isHalfClosed || isFull ? .none : .read
        let writing: IOEvents = output.isWaiting || waitsForTransport ? .write : .none
        guard case .plain = transport else { return updateSecureInterest(reading, writing) }
        watcher?.wait(for: reading.union(writing))
    }

    /// OpenSSL has wishes of its own.
    @inline(never) private final func updateSecureInterest(_ reading: IOEvents, _ writing: IOEvents) {
        guard let stream = secureStream else { return }
        watcher?.wait(for: reading.union(writing).union(stream.wants))
        if stream.hasMore, !reading.isEmpty { readLater(stream) }
    }

    // MARK: output

    /// Sends bytes, and `more` behind them, as far as the transport takes them, and keeps the rest.
    final func transmit(
        _ bytes: UnsafeRawBufferPointer, _ more: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)
    ) {
        guard !isClosed else { return }
        Counted.add(UInt64(bytes.count &+ more.count), at: Counter.bytesSent)
        if output.isEmpty, more.isEmpty {
            guard !bytes.isEmpty else { return }
            // The usual answer, sent from where it was written. Nothing waited before, and nothing does now.
            let sent = transport.send(bytes)
            if sent != bytes.count { settle(output.keep(bytes, after: sent)) }
        } else {
            settle(output.send(bytes, more, to: transport))
        }
    }

    /// Sends bytes that others send too: what the transport does not take is kept without a copy.
    final func transmit(shared bytes: [UInt8]) {
        guard !isClosed, !bytes.isEmpty else { return }
        guard output.isEmpty else { return bytes.withUnsafeBytes { transmit($0) } }
        Counted.add(UInt64(bytes.count), at: Counter.bytesSent)
        let sent = bytes.withUnsafeBytes { transport.send($0) }
        if sent != bytes.count { settle(output.keep(shared: bytes, after: sent)) }
    }

    /// Keeps bytes for those that follow, or for the end of this turn.
    final func deferBytes(_ bytes: UnsafeRawBufferPointer) {
        guard !isClosed else { return }
        Counted.add(UInt64(bytes.count), at: Counter.bytesSent)
        output.append(bytes)
        guard !isDeferred, !output.isWaiting else { return }
        isDeferred = true
        worker.unflushed.append(self)
        worker.loop.noteChange()
    }

    final func flushDeferred() {
        isDeferred = false
        guard !isClosed, !output.isWaiting else { return }
        settle(output.flush(to: transport))
    }

    final func writable() {
        // There is room again, so the peer has read something: its time starts anew.
        if let writeLimit { worker.deadlines.begin(.write, writeLimit) }
        settle(output.flush(to: transport))
        if !isClosed { outputTaken() }
    }

    private final func settle(_ result: OutputQueue.Result) {
        switch result {
        case .sent:
            if let writeLimit, !waitsForTransport {
                worker.deadlines.remove(writeLimit)
                writeLimit.answered = nil
            }
            if case .afterOutput(let linger) = ending, !isDeferred { return endOutput(linger: linger) }
        case .waiting:
            return waitForWriting()
        case .failed:
            if let failure = output.spool?.failure { worker.outputSpools.failed(failure) }
            return gone()
        }
        updateInterest()
    }

    /// Prepares for bytes behind a full queue: they go to a spool, if there can be one.
    package final func spoolIfFull() {
        guard !isClosed, output.spool == nil, output.isFull(above: worker.highWaterMark) else { return }
        if let spool = worker.outputSpools.open() { output.begin(spool) }
    }

    /// The peer has taken enough of what was written, so that a writer need not wait.
    package final var isDrained: Bool { output.isDrained(below: worker.highWaterMark / 2) }

    /// Whether the next bytes find room in memory or in a spool. Reports a spool that takes no more.
    package final func hasRoom(spools: Bool) -> Bool {
        guard output.isFull(above: worker.highWaterMark) else { return true }
        guard let spool = output.spool else { return spools && worker.outputSpools.areUsable }
        if let failure = spool.failure { worker.outputSpools.failed(failure) }
        return false
    }

    /// The transport takes no more: its peer has `--write-timeout` seconds to read something.
    final func waitForWriting() {
        let limit = writeLimit ?? WriteLimit(self)
        writeLimit = limit
        if limit.wait == nil { worker.deadlines.begin(.write, limit) }
        updateInterest()
    }

    /// The request whose answer was made, and is on its way to a peer that is slow to take it.
    final var answered: (head: RequestHead, startedAt: Double)? {
        get { writeLimit?.answered }
        set { writeLimit?.answered = newValue }
    }

    final func stopWaitingForWriting() {
        if let writeLimit, !output.isWaiting { worker.deadlines.remove(writeLimit) }
        updateInterest()
    }

    /// Blocks until no more than `count` bytes wait. False when the peer took none within `seconds`, and is given up.
    final func flushBlocking(to count: Int, seconds: Double) -> Bool {
        while !isClosed, output.count > count {
            guard transport.waitUntilWritable(seconds: seconds) else {
                gone(reset: true)
                return false
            }
            writable()
        }
        return !isClosed
    }

    // MARK: closing

    /// Closes when the output is out. With `linger`, what the client still sends is swallowed for a while, because
    /// closing on unread bytes resets the connection and may cost the client the answer.
    final func close(linger: Bool) {
        guard !isEnding else { return }
        willClose()
        ending = .afterOutput(linger: linger)
        if output.isEmpty { endOutput(linger: linger) } else if !output.isWaiting { flushDeferred() }
    }

    /// The stage forgets what it has read and not used.
    func willClose() {}

    private final func endOutput(linger: Bool) {
        // What TLS says at the end may have to wait for the socket, as other bytes do.
        guard linger || !transport.sayGoodbye(), !isHalfClosed else { return closeNow() }
        ending = .lingering
        transport.shutdownWriting()
        worker.deadlines.begin(.linger, self)
        updateInterest()
        worker.connectionLingers()
    }

    /// The time of a worker that leaves is over: whoever has asked is answered with 503, and so is a request that has
    /// just arrived.
    override func endOfDrain() {
        if let exchange { return exchange.giveUp() }
        if let hold { hold.workerLeaves() } else if !isEnding { _ = closeIfStillIdle() }
    }

    /// The peer is not there any more; or it reads nothing, and must not get an end that looks like a good one.
    package final func gone(reset: Bool = false) {
        guard !isClosed else { return }
        if reset { Counted.add(at: Counter.writeTimeouts) } else { worker.noteDisconnect(lossPhase) }
        giveUp(reset: reset)
    }

    /// Ends everything at once.
    override final func abort() { giveUp(reset: endsWithClose || output.isWaiting) }

    private final func giveUp(reset: Bool) {
        guard !isClosed else { return }
        closeNow(reset: reset)
        peerLeft()
    }

    final func closeNow(reset: Bool = false) {
        guard !isClosed else { return }
        willClose()
        ending = .closed
        leaveLoop()
        output = OutputQueue()
        transport.close(reset: reset)
        worker.connectionClosed()
        Unmanaged.passUnretained(self).release()
    }

    final func leaveLoop() {
        watcher?.close()
        watcher = nil
        worker.deadlines.remove(self)
        if let writeLimit { worker.deadlines.remove(writeLimit) }
        if isHalfClosed { worker.departures?.forget(self) }
        ending = .closed
    }

    /// Closes an idle connection unless its next request has just arrived; that one is served instead.
    func closeIfStillIdle() -> Bool {
        guard isIdle, !isClosed else { return false }
        let count = transport.read(into: worker.readBuffer)
        if count > 0 {
            worker.deadlines.begin(.active, self)
            take(count, worker.readBuffer)
            return isClosed
        }
        sayGoodbye()
        closeNow()
        return true
    }
}

/// The time in which a peer must read something of what waits for it.
private final class WriteLimit: Waiter {
    private unowned(unsafe) let connection: Connection
    var answered: (head: RequestHead, startedAt: Double)?

    init(_ connection: Connection) { self.connection = connection }

    override func expired(_ wait: Wait) {
        var metadata: Logger.Metadata = ["peer": "\(connection.peer.host)", "bytes": "\(connection.output.count)"]
        if let tracing = connection.worker.tracing, let head = connection.exchange?.head ?? answered?.head {
            metadata.merge(tracing.metadata(of: head)) { $1 }
        }
        connection.worker.logger.info("Closed a connection whose peer reads nothing", metadata: metadata)
        connection.gone(reset: true)
    }
}

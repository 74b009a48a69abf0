// One request on a connection of HTTP/2, and what carries its answer. It lives as long as its exchange, and stands in
// the time lists for it.

import EvLoop
import HTTP1
import HTTP2
import HTTPCore
import Logging

final class HTTP2Stream: Waiter {
    let id: UInt32
    let connection: Connection
    let carrier: HTTP2Connection
    private(set) var running: Exchange?
    var worker: Worker { carrier.worker }

    // MARK: the request's body
    /// Bytes that have come, and of which the peer has been told that they are taken.
    private var receivedCount = 0
    private var creditedCount = 0
    /// The peer has ended its side.
    private var hasEnded: Bool

    // MARK: the answer
    /// What waits for windows or for the transport; then what is in the spool.
    @exclusivity(unchecked) var pending: [UInt8] = []
    @exclusivity(unchecked) var pendingStart = 0
    var spool: OutputSpool?
    /// Bytes of the body that were announced and have not been written; nil where none were.
    @exclusivity(unchecked) var due: UInt64?
    /// What waits is the last of the answer.
    @exclusivity(unchecked) var endsWithPending = false
    /// Field lines that follow what waits.
    var trailers: [UInt8]?
    /// The end of the answer was sent.
    @exclusivity(unchecked) var hasSentEnd = false
    /// The stream is reset, or the connection gone.
    private(set) var isOver = false
    private var stall: Stall?
    /// Where the bytes go, and come from, when it has become a WebSocket.
    private(set) var tunnel: HTTP2Tunnel?

    init(_ id: UInt32, _ connection: HTTP2Connection, hasBody: Bool) {
        self.id = id
        self.connection = connection
        carrier = connection
        hasEnded = !hasBody
    }

    override var exchange: Exchange? { running }
    override func record(_ options: RecordOptions) -> ConnectionRecord? { ownRecord(options) }

    func begin(_ exchange: Exchange) { running = exchange }

    // MARK: what comes

    func received(_ bytes: UnsafeRawBufferPointer, ends: Bool) {
        receivedCount += bytes.count
        if ends { hasEnded = true }
        if let tunnel { return tunnel.pass(bytes, ends: ends) }
        guard let running else { return creditTaken() }
        if !bytes.isEmpty {
            // RFC 9113 section 8.1.1: more than was announced. To be seen before the app is given a whole body.
            guard running.hasRoomForBody(bytes.count) else { return abandon(.protocolError) }
            _ = running.receiveBody(bytes)
        }
        if ends, !running.isBodyComplete {
            guard running.head.hasOpenBody else { return abandon(.protocolError) }
            running.endBody()
        }
        creditTaken()
    }

    /// Tells the peer of bytes that somebody has taken, or that nobody will.
    func creditTaken() {
        let held = tunnel?.output.count ?? running?.heldBody ?? 0
        let taken = receivedCount - held - creditedCount
        guard taken > 0 else { return }
        creditedCount += taken
        carrier.session.consumed(id, taken)
    }

    /// The peer has reset the stream, or has done what ends it.
    func wasReset(_ code: ErrorCode) {
        peerLeft()
        carrier.streamEnded()
    }

    /// Nothing reaches the peer any more, because of the peer.
    func peerLeft() {
        worker.noteDisconnect(running?.lossPhase)
        clientLeft()
    }

    private func clientLeft() {
        let exchange = running
        leave()
        exchange?.clientLeft()
    }

    /// Ends the stream, and the request with it.
    func abandon(_ code: ErrorCode) {
        carrier.session.reset(id, code)
        clientLeft()
        carrier.streamEnded()
    }

    private func leave() {
        running = nil
        isOver = true
        (pending, pendingStart, spool, endsWithPending, trailers) = ([], 0, nil, false, nil)
        carrier.blocked.removeAll { $0 === self }
        worker.deadlines.remove(self)
        if let stall { worker.deadlines.remove(stall) }
        let tunnel = tunnel
        self.tunnel = nil
        tunnel?.streamIsOver()
        creditTaken()
    }

    /// The request has been accepted as a WebSocket, whose connection is the other end of `socket`.
    func becomeTunnel(_ socket: Int32, _ head: borrowing ResponseHead, _ lines: [UInt8]) {
        lines.withUnsafeBytes { sendAcceptance(head, $0) }
        running = nil
        worker.deadlines.remove(self)
        let tunnel = HTTP2Tunnel(.plain(socket), connection.peer, connection.listener, worker, self)
        self.tunnel = tunnel
        worker.begin(tunnel)
    }

    // MARK: the end of the answer

    func finished(isShort: Bool) {
        running = nil
        creditTaken()
        if isOver { return }
        if isShort { return breakOff() }
        if waitingCount > 0 || endsWithPending {
            // The peer has its time for the rest, and no request runs.
            return worker.deadlines.remove(self)
        }
        endIfSent()
    }

    /// The answer cannot be completed, and the client must not take it for whole.
    func breakOff() {
        running = nil
        guard !isOver else { return }
        carrier.session.reset(id, .internalError)
        leave()
        carrier.streamEnded()
    }

    /// After the last frame of the answer: a body that is still on its way is not wanted any more (section 8.1).
    func endIfSent() {
        guard hasSentEnd, !isOver, running == nil, tunnel == nil || hasEnded else { return }
        if !hasEnded { carrier.session.reset(id, .none) }
        leave()
        carrier.streamEnded()
    }

    override func endOfDrain() { running?.giveUp() }

    // MARK: time

    override func expired(_ wait: Wait) {
        guard let exchange = running else { return }
        let next = wait == .body && exchange.bodyWindowExpired() ? Wait.body : .active
        // It may have been answered in this call, and is in no list then.
        if running != nil { worker.deadlines.begin(next, self) }
    }

    /// Bytes wait: the peer has `--write-timeout` seconds to take some of them.
    func isStalled() {
        let limit = stall ?? Stall(self)
        stall = limit
        worker.deadlines.begin(.write, limit)
    }

    func isMoving() {
        if let stall { worker.deadlines.remove(stall) }
    }

    fileprivate func stallExpired() {
        worker.logger.info(
            "Reset a stream whose peer reads nothing",
            metadata: ["peer": "\(connection.peer.host)", "bytes": "\(waitingCount)"])
        Counted.add(at: Counter.writeTimeouts)
        abandon(.cancel)
    }
}

/// The time in which a peer must take something of what waits on a stream.
private final class Stall: Waiter {
    private unowned(unsafe) let stream: HTTP2Stream
    init(_ stream: HTTP2Stream) { self.stream = stream }
    override func expired(_ wait: Wait) { withExtendedLifetime(stream) { $0.stallExpired() } }
}

extension Exchange {
    /// Where it is, if its client leaves now.
    var lossPhase: DisconnectPhase? { headWasSent ? .response : isBodyComplete ? .app : .body }
}

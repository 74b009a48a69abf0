// A stream that has become a WebSocket (RFC 8441). The stage of WebSocket has a connection of its own, one end of a
// pair of sockets; this is the other end, and passes bytes between it and the stream. Law: it knows nothing of what the
// bytes mean, and takes no more of them than the other side has room for.

import EvLoop
import HTTP2

final class HTTP2Tunnel: Connection {
    /// Nil when it is over.
    private var stream: HTTP2Stream?
    /// The client has ended its side, and the socket is to be told behind what waits for it.
    private var inputIsOver = false

    init(
        _ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker, _ stream: HTTP2Stream
    ) {
        self.stream = stream
        super.init(transport, peer, listener, worker)
    }

    override var isIdle: Bool { false }
    override var lossPhase: DisconnectPhase? { nil }
    override var isFull: Bool { stream.map { !$0.hasRoom(spools: false) } ?? false }

    override func begun() { worker.deadlines.begin(.streams, self) }

    // MARK: from the socket to the client

    override func received(_ bytes: UnsafeRawBufferPointer) {
        stream?.write(bytes)
        updateInterest()
    }

    /// The socket has said all. The client has its time to do so too.
    override func inputEnded() {
        guard let stream else { return closeNow() }
        worker.deadlines.begin(.linger, self)
        stream.sendEnd()
        stream.endIfSent()
        updateInterest()
    }

    // MARK: from the client to the socket

    func pass(_ bytes: UnsafeRawBufferPointer, ends: Bool) {
        if !bytes.isEmpty { transmit(bytes) }
        if ends { inputIsOver = true }
        outputTaken()
    }

    override func outputTaken() {
        stream?.creditTaken()
        stream?.carrier.sendFrames()
        guard inputIsOver, output.isEmpty, !isClosed else { return }
        transport.shutdownWriting()
        stream?.endIfSent()
    }

    // MARK: the end

    override func peerLeft() {
        let stream = stream
        self.stream = nil
        stream?.abandon(.cancel)
    }

    func streamIsOver() {
        stream = nil
        closeNow()
    }

    override func expired(_ wait: Wait) {
        guard wait == .linger else { return }
        let stream = stream
        self.stream = nil
        closeNow()
        stream?.abandon(.none)
    }
}

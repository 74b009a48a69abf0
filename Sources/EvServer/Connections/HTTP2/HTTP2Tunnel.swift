// A stream that has become a WebSocket (RFC 8441). The stage of WebSocket has a connection of its own, one end of a
// pair of sockets; this is the other end, and passes bytes between it and the stream. Law: it knows nothing of what the
// bytes mean, and takes no more of them than the other side has room for.

import EvLoop
import HTTP2

final class HTTP2Tunnel: Connection {
    /// Nil when it is over.
    private var http2Stream: HTTP2Stream?
    /// The client has ended its side, and the socket is to be told behind what waits for it.
    private var inputIsOver = false

    init(
        _ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker, _ http2Stream: HTTP2Stream
    ) {
        self.http2Stream = http2Stream
        super.init(transport, peer, listener, worker)
    }

    override var isIdle: Bool { false }
    override var lossPhase: DisconnectPhase? { nil }
    override var isFull: Bool { http2Stream.map { !$0.hasRoom(spools: false) } ?? false }

    override func begun() { worker.deadlines.begin(.streams, self) }

    // MARK: from the socket to the client

    override func received(_ bytes: UnsafeRawBufferPointer) {
        http2Stream?.write(bytes)
        updateInterest()
    }

    /// The socket has said all. The client has its time to do so too.
    override func inputEnded() {
        guard let http2Stream else { return closeNow() }
        worker.deadlines.begin(.linger, self)
        http2Stream.sendEnd(trailers: UnsafeRawBufferPointer(start: nil, count: 0))
        http2Stream.endIfSent()
        updateInterest()
    }

    // MARK: from the client to the socket

    func pass(_ bytes: UnsafeRawBufferPointer, ends: Bool) {
        if !bytes.isEmpty { transmit(bytes) }
        if ends { inputIsOver = true }
        outputTaken()
    }

    override func outputTaken() {
        http2Stream?.creditTaken()
        http2Stream?.carrier.sendFrames()
        guard inputIsOver, output.isEmpty, !isClosed else { return }
        transport.shutdownWriting()
        http2Stream?.endIfSent()
    }

    // MARK: the end

    override func peerLeft() {
        let http2Stream = http2Stream
        self.http2Stream = nil
        http2Stream?.abandon(.cancel)
    }

    func streamIsOver() {
        http2Stream = nil
        closeNow()
    }

    override func expired(_ wait: Wait) {
        guard wait == .linger else { return }
        let http2Stream = http2Stream
        self.http2Stream = nil
        closeNow()
        http2Stream?.abandon(.none)
    }
}

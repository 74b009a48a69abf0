// A connection that the app of an upgrade request has taken over: it reads and writes by a descriptor of its own, and
// the server neither reads nor writes until the app has ended. The connection counts as open, its request as running,
// and the worker that leaves ends it.

import EvLoop

package final class TakenConnection: Connection {
    /// Nil once the request is over: it knows this connection.
    private var request: Exchange?
    /// Bytes that the server had read already; they are the first that the app is to read.
    private var leftOver: [UInt8] = []
    /// Over TLS, the app does not have the connection itself.
    private var pipe: ClearPipe?
    private let ownEnd: Int32?

    /// - Parameter ownEnd: of the pair whose other end the app has; nil where it has the connection itself.
    init(
        _ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker, request: Exchange,
        ownEnd: Int32?
    ) {
        self.request = request
        self.ownEnd = ownEnd
        super.init(transport, peer, listener, worker)
    }

    override var exchange: Exchange? { request }
    override var isIdle: Bool { false }
    override var isFull: Bool { !isEnding && pipe?.isFull ?? true }

    override func begun() {
        if let ownEnd { pipe = ClearPipe(ownEnd, self) } else { worker.loop.forget(transport.fileDescriptor) }
        worker.deadlines.begin(.active, self)
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        guard let pipe else { return leftOver.append(contentsOf: bytes) }
        pipe.send(bytes)
        updateInterest()
    }

    override func inputEnded() {
        guard let pipe else { return close(linger: false) }
        pipe.endInput()
        updateInterest()
    }

    override func outputTaken() { pipe?.updateInterest() }

    /// To be called once.
    func takeLeftOver() -> [UInt8] {
        defer { leftOver = [] }
        return leftOver
    }

    /// The app has ended. What it has sent is on its way, and the client has `lingerTimeout` seconds for its part.
    func release() {
        guard let request else { return }
        self.request = nil
        request.socketEnded()
        pipe?.drain()
        pipe?.close()
        close(linger: true)
    }

    /// The app may have made the descriptor blocking, and may read at the same time.
    override func readable() { take(transport.readNow(into: worker.readBuffer), worker.readBuffer) }

    override func willClose() {
        // At the end of the app the client is to read what was sent.
        guard request != nil || isEnding else { return }
        // Threads and greenlets of the app that still wait are to wake.
        if let pipe { return pipe.close() }
        transport.shutdown()
        worker.loop.forget(transport.fileDescriptor)
    }

    override func peerLeft() {
        let request = request
        self.request = nil
        request?.clientLeft()
    }

    override func expired(_ wait: Wait) {
        if wait == .linger { closeNow() }
    }
}

extension Exchange {
    /// Hands the connection of an upgrade request over.
    /// - Returns: a descriptor, which is the caller's, and the bytes that come before those it can read. Nil when the
    ///   client has left, has been answered, or has not read its earlier answers; and without a free descriptor.
    package func takeConnection() -> (descriptor: Int32, leftOver: [UInt8])? {
        guard offer != nil, case .http1(let connection) = carrier, connection.output.isEmpty else { return nil }
        guard response == .awaited, let ends = connection.transport.openForApp() else { return nil }
        let next = connection.upgrade(self, with: UnsafeRawBufferPointer(start: nil, count: 0)) {
            TakenConnection($0, $1, $2, $3, request: self, ownEnd: ends.own)
        }
        guard let next = next as? TakenConnection, beginUpgrade() else {
            Socket.close(ends.app)
            if next == nil, let own = ends.own { Socket.close(own) }
            return nil
        }
        // Whether it still goes on is for the app to find out.
        deadline = .infinity
        upgrade = .taken(next)
        return (ends.app, next.takeLeftOver())
    }
}

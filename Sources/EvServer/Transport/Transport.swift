import EvLoop

/// The way of a connection's bytes to its peer and back: nothing else touches the descriptor. A case more is one more
/// branch in each of these calls. Negative results are `-errno`, as those of `Socket`.
package enum Transport {
    /// A connected socket.
    case plain(Int32)
    /// Whoever keeps the transport keeps the stream, by `retain` and `release`: the others need not count it at each
    /// of these calls, and then a plain socket pays nothing for it.
    case tls(Unmanaged<TLSStream>)

    func retain() { if case .tls(let stream) = self { _ = stream.retain() } }
    func release() { if case .tls(let stream) = self { stream.release() } }

    /// The descriptor to watch.
    package var fileDescriptor: Int32 {
        switch self {
        case .plain(let socket): socket
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.fileDescriptor }
        }
    }

    /// What comes this way comes over TLS.
    package var isSecure: Bool {
        switch self {
        case .plain: false
        case .tls: true
        }
    }

    /// Bytes read; 0 at the end of input.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.read(socket, into: buffer)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.read(into: buffer) }
        }
    }

    /// As `read`, where somebody else has a duplicate and may have made it blocking.
    func readNow(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.receiveNow(socket, into: buffer)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.read(into: buffer) }
        }
    }

    /// A descriptor for an app that reads and writes by itself; nil without a free one. `own` is the other end of it,
    /// where the app's is not the connection itself.
    func openForApp() -> (app: Int32, own: Int32?)? {
        switch self {
        case .plain(let socket):
            let copy = Socket.duplicate(socket)
            return copy < 0 ? nil : (copy, nil)
        case .tls: return Socket.pair().map { ($0, $1) }
        }
    }

    /// Bytes taken.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.send(socket, bytes)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.send(bytes) }
        }
    }

    /// Bytes taken of both.
    func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.send(socket, first, second)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.send(first, second) }
        }
    }

    /// Bytes of the file taken; moves `offset` over them.
    func sendFile(_ file: Int32, offset: inout Int64, count: Int) -> Int {
        switch self {
        case .plain(let socket): Socket.sendFile(socket, from: file, offset: &offset, count: count)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.sendFile(file, offset: &offset, count: count) }
        }
    }

    /// Blocks until bytes can be sent. Whether that was so within `seconds`.
    func waitUntilWritable(seconds: Double) -> Bool {
        Socket.waitBlocking(fileDescriptor, for: .write, seconds: seconds)
    }

    /// The end of the connection follows what is sent next, and may arrive with it.
    func holdUntilEnd() { Socket.holdUntilEnd(fileDescriptor) }

    /// Whether all has been said that comes before the end; else `wants` tells what that waits for.
    func sayGoodbye() -> Bool {
        switch self {
        case .plain: true
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.sayGoodbye() }
        }
    }

    /// Tells the peer that nothing more is sent.
    func shutdownWriting() {
        switch self {
        case .plain(let socket): Socket.shutdownWriting(socket)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.shutdownWriting() }
        }
    }

    /// Ends both directions, for those too who have a duplicate.
    func shutdown() { Socket.shutdownBoth(fileDescriptor) }

    /// - Parameter reset: so that the peer cannot take what it got for a complete answer.
    func close(reset: Bool) {
        switch self {
        case .plain(let socket): reset ? Socket.closeWithReset(socket) : Socket.closeConnection(socket)
        case .tls(let stream): stream._withUnsafeGuaranteedRef { $0.close(reset: reset) }
        }
    }
}

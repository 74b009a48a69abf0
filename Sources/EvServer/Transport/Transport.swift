import EvLoop

/// The way of a connection's bytes to its peer and back: nothing else touches the descriptor. A case more is one more
/// branch in each of these calls. Negative results are `-errno`, as those of `Socket`.
package enum Transport {
    /// A connected socket.
    case plain(Int32)

    /// The descriptor to watch.
    package var fileDescriptor: Int32 {
        switch self {
        case .plain(let socket): socket
        }
    }

    /// What comes this way comes over TLS.
    package var isSecure: Bool {
        switch self {
        case .plain: false
        }
    }

    /// What the transport itself waits for before it can go on, beside what its user waits for.
    var wants: IOEvents {
        switch self {
        case .plain: .none
        }
    }

    /// Bytes read; 0 at the end of input.
    func read(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.read(socket, into: buffer)
        }
    }

    /// As `read`, where somebody else has a duplicate and may have made it blocking.
    func readNow(into buffer: UnsafeMutableRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.receiveNow(socket, into: buffer)
        }
    }

    /// A descriptor of the caller's own for the same bytes; nil when there can be none.
    func duplicate() -> Int32? {
        switch self {
        case .plain(let socket):
            let copy = Socket.duplicate(socket)
            return copy < 0 ? nil : copy
        }
    }

    /// Bytes taken.
    func send(_ bytes: UnsafeRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.send(socket, bytes)
        }
    }

    /// Bytes taken of both.
    func send(_ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer) -> Int {
        switch self {
        case .plain(let socket): Socket.send(socket, first, second)
        }
    }

    /// Bytes of the file taken; moves `offset` over them.
    func sendFile(_ file: Int32, offset: inout Int64, count: Int) -> Int {
        switch self {
        case .plain(let socket): Socket.sendFile(socket, from: file, offset: &offset, count: count)
        }
    }

    /// Blocks until bytes can be sent. Whether that was so within `seconds`.
    func waitUntilWritable(seconds: Double) -> Bool {
        switch self {
        case .plain(let socket): Socket.waitBlocking(socket, for: .write, seconds: seconds)
        }
    }

    /// The end of the connection follows what is sent next, and may arrive with it.
    func holdUntilEnd() {
        switch self {
        case .plain(let socket): Socket.holdUntilEnd(socket)
        }
    }

    /// Tells the peer that nothing more is sent.
    func shutdownWriting() {
        switch self {
        case .plain(let socket): Socket.shutdownWriting(socket)
        }
    }

    /// Ends both directions, for those too who have a duplicate.
    func shutdown() {
        switch self {
        case .plain(let socket): Socket.shutdownBoth(socket)
        }
    }

    /// - Parameter reset: so that the peer cannot take what it got for a complete answer.
    func close(reset: Bool) {
        switch self {
        case .plain(let socket): reset ? Socket.closeWithReset(socket) : Socket.closeConnection(socket)
        }
    }
}

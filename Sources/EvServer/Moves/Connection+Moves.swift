// How a connection leaves for another process: its parcel and a copy of its descriptor are sent, and then it is gone
// here without a word to its peer. Law: nothing is told to the peer, and nothing is read, between the two.

import EvLoop

extension Connection {
    /// To be sent as it is: nothing of it has been read.
    var freshParcel: Parcel? {
        guard isSilent, !isEnding, !isHalfClosed, !isSpare, output.isEmpty, case .plain = transport else { return nil }
        // Behind a PROXY header none is looked for.
        guard self is ProxyPreface || worker.proxyHeaders == nil else { return nil }
        return makeParcel(.fresh)
    }

    func makeParcel(_ kind: Parcel.Kind, bytes: [UInt8] = [], state: [UInt8] = []) -> Parcel {
        var parcel = Parcel(
            kind, listener: listener.name, peer: peer, destination: listener.destination?.address, bytes: bytes,
            state: state)
        parcel.hasCopies = Fork.hasCopies
        return parcel
    }

    /// To be called when another process has got the parcel and a copy of the descriptor.
    func departs() {
        guard !isClosed else { return }
        willClose()
        (self as? HTTP1Connection)?.kept?.departed()
        let descriptor = transport.fileDescriptor
        leaveLoop()
        output = OutputQueue()
        // libev leaves that to the close, and the kernel to the last close of all: that is the other process's.
        worker.loop.forget(descriptor)
        Socket.close(descriptor)
        worker.connectionClosed()
        Unmanaged.passUnretained(self).release()
    }

    /// Has waited as long as it may for a request.
    func idleTooLong() {
        if worker.moves.keeps(self) { worker.deadlines.begin(.keepAlive, self) } else { _ = closeIfStillIdle() }
    }
}

extension HTTP1Connection {
    /// Between two requests, or with the beginning of one.
    var ownParcel: Parcel? {
        guard isIdle, !isSwallowing, !isEnding, !isHalfClosed, !isSpare, output.isEmpty,
            case .plain = transport
        else { return nil }
        let bytes = partial?.bytes ?? pending
        return request(bytes.isEmpty ? .idle : .request, bytes)
    }

    /// A parcel with what has been read of this connection's next request.
    func request(_ kind: Parcel.Kind, _ bytes: [UInt8]) -> Parcel {
        var parcel = makeParcel(kind, bytes: bytes)
        parcel.hasServed = hasServed
        return parcel
    }
}

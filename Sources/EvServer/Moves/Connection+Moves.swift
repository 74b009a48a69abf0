// How a connection leaves for another process: what its parcel says is all that there is of it from then on. Law: its
// peer is told nothing, and nothing is read of it in between.

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

    /// Ends here without a word to the peer. The descriptor is the caller's from then on.
    func departs() {
        guard !isClosed else { return }
        willClose()
        (self as? HTTP1Connection)?.kept?.departed()
        let descriptor = transport.fileDescriptor
        leaveLoop()
        output = OutputQueue()
        // libev leaves that to the close, and the kernel to the last close of all: that is the other process's.
        worker.loop.forget(descriptor)
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

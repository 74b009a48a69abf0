// Readiness where OpenSSL stands between a stage and its socket.

import EvLoop

extension Connection {
    /// OpenSSL may have to read before it can write, and the other way round.
    @inline(never) func readySecurely(_ events: IOEvents) {
        guard let stream = secureStream else { return }
        if stream.goodbyeWaits, events.contains(.write) { stream.shutdownWriting() }
        let (reading, writing) = (stream.readWaitsForWriting, stream.writeWaitsForReading)
        if events.contains(writing ? .read : .write), output.isWaiting || waitsForTransport { writable() }
        if events.contains(reading ? .write : .read), !isClosed { readable() }
        updateInterest()
    }

    /// Of bytes that OpenSSL has in memory the socket tells nothing.
    func readLater(_ stream: TLSStream) {
        guard !stream.isReadDue else { return }
        stream.isReadDue = true
        LoopExecutor.shared.later { [self] in
            guard !isClosed else { return }
            stream.isReadDue = false
            if !isHalfClosed, !isFull { readable() }
            updateInterest()
        }
    }
}

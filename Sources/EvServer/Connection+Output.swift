// A connection's bytes on their way out: sent at once as far as the socket takes them, the rest when it is writable.
// Readiness for writing is waited for only after the socket has refused bytes.

import EvLoop
import HTTP1

extension Connection {
    /// Sends what the worker's writer holds, and `body` after it, as far as the socket takes them, and keeps the rest.
    func transmitWriter(_ body: UnsafeRawBufferPointer = UnsafeRawBufferPointer(start: nil, count: 0)) {
        guard !isClosed else { return }
        if output.isEmpty, body.isEmpty {
            // The usual answer, sent from where it was written.
            let sent = worker.writer.withUnsafeBytes { Socket.send(fileDescriptor, $0) }
            if sent == worker.writer.count { return settle(.sent) }
            settle(worker.writer.withUnsafeBytes { output.keep($0, after: sent) })
        } else {
            settle(worker.writer.withUnsafeBytes { output.send($0, body, to: fileDescriptor) })
        }
    }

    /// Keeps what the worker's writer holds for the next bytes, or for the end of this turn.
    func deferWriter() {
        guard !isClosed else { return }
        worker.writer.withUnsafeBytes { output.append($0) }
        guard !isUnflushed, !output.isWaiting else { return }
        isUnflushed = true
        worker.unflushed.append(self)
        worker.loop.noteChange()
    }

    func flushDeferred() {
        isUnflushed = false
        guard !isClosed, !output.isWaiting else { return }
        settle(output.flush(to: fileDescriptor))
    }

    func writable() {
        // The socket has room again, so the peer has read something: its time starts anew.
        if let writeNode { worker.deadlines.begin(.write, writeNode) }
        settle(output.flush(to: fileDescriptor))
        guard !isClosed else { return }
        if output.count <= worker.highWaterMark / 2 { exchange?.outputDrained() }
        if exchange == nil, !pending.isEmpty { parsePending() }
    }

    private func settle(_ result: OutputQueue.Result) {
        switch result {
        case .sent:
            if let writeNode, exchange?.waitsForSocket != true { worker.deadlines.remove(writeNode) }
            if case .afterOutput(let linger) = ending, !isUnflushed { return endOutput(linger: linger) }
        case .waiting:
            waitForWriting()
        case .failed:
            return gone()
        }
        updateInterest()
    }

    /// The socket takes no more; its peer has so long to read something.
    func waitForWriting() {
        let node = writeNode ?? WaitNode(self)
        writeNode = node
        if node.wait == nil { worker.deadlines.begin(.write, node) }
        updateInterest()
    }

    func stopWaitingForWriting() {
        if let writeNode, !output.isWaiting { worker.deadlines.remove(writeNode) }
        updateInterest()
    }
}

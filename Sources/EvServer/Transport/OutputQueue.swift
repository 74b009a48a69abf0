import EvLoop

/// Bytes on their way out of one connection. Nothing is held, and nothing allocated, while the socket keeps up.
struct OutputQueue {
    enum Result { case sent, waiting, failed }

    private var bytes: [UInt8] = []
    private var start = 0
    /// The socket took no more; its readiness is waited for.
    private(set) var isWaiting = false

    var count: Int { bytes.count - start }
    var isEmpty: Bool { bytes.isEmpty }

    mutating func append(_ more: UnsafeRawBufferPointer) {
        guard !more.isEmpty else { return }
        bytes.append(contentsOf: more)
    }

    /// Sends two pieces, after what waits already.
    mutating func send(
        _ first: UnsafeRawBufferPointer, _ second: UnsafeRawBufferPointer, to transport: Transport
    ) -> Result {
        if isWaiting {
            append(first)
            append(second)
            return .waiting
        }
        if !bytes.isEmpty {
            append(first)
            append(second)
            return flush(to: transport)
        }
        let total = first.count + second.count
        guard total > 0 else { return .sent }
        let sent = second.isEmpty ? transport.send(first) : transport.send(first, second)
        if sent == total { return .sent }
        guard sent >= 0 || sent == SocketError.wouldBlock else { return .failed }
        let taken = max(sent, 0)
        append(UnsafeRawBufferPointer(rebasing: first[min(taken, first.count)...]))
        append(UnsafeRawBufferPointer(rebasing: second[max(0, taken - first.count)...]))
        isWaiting = true
        return .waiting
    }

    /// Keeps what a send(2) of these bytes, whose result this is, has left over. Only for an empty queue.
    mutating func keep(_ rest: UnsafeRawBufferPointer, after sent: Int) -> Result {
        guard sent >= 0 || sent == SocketError.wouldBlock else { return .failed }
        append(UnsafeRawBufferPointer(rebasing: rest[max(sent, 0)...]))
        isWaiting = true
        return .waiting
    }

    mutating func flush(to transport: Transport) -> Result {
        guard !bytes.isEmpty else {
            isWaiting = false
            return .sent
        }
        let sent = bytes.withUnsafeBytes { transport.send(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        guard sent >= 0 || sent == SocketError.wouldBlock else { return .failed }
        start += max(sent, 0)
        if start == bytes.count {
            self = OutputQueue()
            return .sent
        }
        // What has been sent is given back before it outgrows what is left.
        if start > 65_536, start > bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        isWaiting = true
        return .waiting
    }
}

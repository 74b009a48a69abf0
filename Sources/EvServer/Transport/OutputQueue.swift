import EvLoop

/// Bytes on their way out of one connection. Nothing is held, and nothing allocated, while the socket keeps up. Memory
/// comes first; once there is a spool, all later bytes go there.
struct OutputQueue {
    enum Result { case sent, waiting, failed }

    private var bytes: [UInt8] = []
    private var start = 0
    /// Others hold the same array.
    private var isShared = false
    private(set) var spool: OutputSpool?
    /// The socket took no more; its readiness is waited for.
    private(set) var isWaiting = false

    var count: Int { bytes.count - start + (spool?.count ?? 0) }
    var isEmpty: Bool { bytes.isEmpty && spool == nil }

    /// Whoever writes is to wait, with `mark` bytes in memory or with the spool full.
    func isFull(above mark: Int) -> Bool {
        if let spool { spool.isFull } else { bytes.count - start >= mark }
    }

    /// Whoever waits may write again.
    func isDrained(below mark: Int) -> Bool {
        if let spool { spool.isDrained(below: mark) } else { bytes.count - start <= mark }
    }

    /// What is appended from now on goes to this spool, until all has been sent.
    mutating func begin(_ spool: OutputSpool) { self.spool = spool }

    mutating func append(_ more: UnsafeRawBufferPointer) {
        guard !more.isEmpty else { return }
        if let spool { return spool.append(more) }
        if isShared {
            bytes = Array(bytes[start...])
            (start, isShared) = (0, false)
        }
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
        if !isEmpty {
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

    /// The same for an array that many queues hold: it is not copied before something follows it.
    mutating func keep(shared whole: [UInt8], after sent: Int) -> Result {
        guard sent >= 0 || sent == SocketError.wouldBlock else { return .failed }
        (bytes, start, isShared) = (whole, max(sent, 0), true)
        isWaiting = true
        return .waiting
    }

    mutating func flush(to transport: Transport) -> Result {
        guard !isEmpty else {
            isWaiting = false
            return .sent
        }
        if bytes.isEmpty, let spool { return flush(spool, to: transport) }
        let sent = bytes.withUnsafeBytes { transport.send(UnsafeRawBufferPointer(rebasing: $0[start...])) }
        guard sent >= 0 || sent == SocketError.wouldBlock else { return .failed }
        start += max(sent, 0)
        if start == bytes.count {
            guard spool != nil else {
                self = OutputQueue()
                return .sent
            }
            bytes = []
            (start, isShared) = (0, false)
        }
        // What has been sent is given back before it outgrows what is left.
        if !isShared, start > 65_536, start > bytes.count / 2 {
            bytes.removeFirst(start)
            start = 0
        }
        isWaiting = true
        return .waiting
    }

    private mutating func flush(_ spool: OutputSpool, to transport: Transport) -> Result {
        let sent = spool.send(to: transport)
        guard sent >= 0 || sent == SocketError.wouldBlock else { return .failed }
        if spool.count == 0 {
            self = OutputQueue()
            return .sent
        }
        isWaiting = true
        return .waiting
    }
}

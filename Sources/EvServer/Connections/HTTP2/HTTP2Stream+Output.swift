// Bytes of an answer that wait: for the stream's window, for that of the connection, or for the transport.

import EvLoop
import HTTP1
import HTTP2
import HTTPCore

extension HTTP2Stream {
    /// Bytes that wait.
    var waitingCount: Int { pending.count - pendingStart + (spool?.count ?? 0) }

    /// Keeps bytes behind those that wait.
    func keep(_ bytes: UnsafeRawBufferPointer) {
        if waitingCount == 0 {
            carrier.blocked.append(self)
            isStalled()
        }
        if let spool { return spool.append(bytes) }
        if pendingStart > 0, pendingStart >= pending.count / 2 {
            pending.removeFirst(pendingStart)
            pendingStart = 0
        }
        pending.append(contentsOf: bytes)
    }

    /// Writes as much to the worker's writer as may be sent in one frame. Returns how many bytes that was.
    func sendPending(upTo most: Int) -> Int {
        let allowed = min(most, carrier.session.sendable(id))
        guard allowed > 0 else { return 0 }
        let count: Int
        if pendingStart < pending.count {
            count = min(allowed, pending.count - pendingStart)
            let start = pendingStart
            pendingStart += count
            let isLast = waitingCount == 0
            pending.withUnsafeBytes {
                sendFrame(
                    UnsafeRawBufferPointer(rebasing: $0[start..<start + count]), isCut: !isLast,
                    ends: isLast && endsWithPending)
            }
            if pendingStart == pending.count { (pending, pendingStart) = ([], 0) }
        } else {
            count = sendSpooled(upTo: allowed)
        }
        if count > 0 { waitingCount > 0 ? isStalled() : isMoving() }
        return count
    }

    private func sendSpooled(upTo most: Int) -> Int {
        guard let spool else { return 0 }
        let count = withUnsafeTemporaryAllocation(byteCount: most, alignment: 16) { buffer in
            let count = spool.take(into: buffer)
            guard count > 0 else { return 0 }
            sendFrame(
                UnsafeRawBufferPointer(rebasing: buffer[..<count]), isCut: spool.count > 0,
                ends: spool.count == 0 && endsWithPending)
            return count
        }
        if count == 0, let failure = spool.failure {
            worker.outputSpools.failed(failure)
            // Not while frames are being put together.
            LoopExecutor.shared.later { [self] in self.breakOff() }
        } else if spool.count == 0 {
            self.spool = nil
        }
        return count
    }

    // MARK: back-pressure

    func hasRoom(spools: Bool) -> Bool {
        if let spool { return !spool.isFull }
        return pending.count - pendingStart < worker.highWaterMark || spools && worker.outputSpools.areUsable
    }

    var isDrained: Bool {
        if let spool { return spool.isDrained(below: worker.highWaterMark / 2) }
        return pending.count - pendingStart <= worker.highWaterMark / 2
    }

    func spoolIfFull() {
        guard !isOver, spool == nil, pending.count - pendingStart >= worker.highWaterMark else { return }
        spool = worker.outputSpools.open(share: Self.spoolShare)
    }

    /// Many streams of one connection may have a spool at a time.
    private static let spoolShare = 16

    /// Windows open only by what is read, and while this app is waited for nothing can be: other requests would begin
    /// inside of it. So the rest goes to a spool, and where there is none, the stream ends.
    func flushBlocking(to count: Int, seconds: Double) {
        _ = carrier.flushBlocking(to: count, seconds: seconds)
        guard !isOver else { return }
        carrier.pump()
        spoolIfFull()
        if !hasRoom(spools: false) { abandon(.internalError) }
    }
}

extension HTTP2Connection {
    /// Sends what waits on streams: the most urgent ones first, those that are of use in parts by turns.
    func pump() {
        guard !isClosed, !blocked.isEmpty else { return }
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        var skipped: [HTTP2Stream] = []
        var moved: [HTTP2Stream] = []
        while output.count + writer.count < worker.highWaterMark, let place = nextPlace {
            let stream = blocked[place]
            let sent = stream.sendPending(upTo: Self.turn)
            // It may have ended in this call.
            guard let place = blocked.firstIndex(where: { $0 === stream }) else { continue }
            if sent == 0 {
                skipped.append(blocked.remove(at: place))
            } else {
                if !moved.contains(where: { $0 === stream }) { moved.append(stream) }
                if stream.waitingCount == 0 {
                    stream.trailers?.withUnsafeBytes { stream.write(trailers: $0) }
                    stream.trailers = nil
                    blocked.remove(at: place)
                } else if session.priority(of: stream.id).isIncremental {
                    blocked.append(blocked.remove(at: place))
                }
            }
        }
        blocked.insert(contentsOf: skipped, at: 0)
        if !writer.isEmpty { send(writer.bytes) }
        for stream in moved {
            stream.endIfSent()
            if stream.isDrained {
                stream.exchange?.outputDrained()
                stream.tunnel?.updateInterest()
            }
        }
        pumpLater()
    }

    /// Goes on in a later turn with what only the bound of a turn holds back: of windows and of the transport, which
    /// hold back the rest, the peer or the kernel tells.
    func pumpLater() {
        guard !isPumping, !isEnding, !output.isWaiting, blocked.contains(where: { session.sendable($0.id) > 0 }) else {
            return
        }
        isPumping = true
        LoopExecutor.shared.later { [self] in
            self.isPumping = false
            self.pump()
        }
    }

    /// Bytes of a stream before others have their turn.
    private static let turn = 16_384

    private var nextPlace: Int? {
        var best: (place: Int, urgency: UInt8)?
        for (place, stream) in blocked.enumerated() {
            let urgency = session.priority(of: stream.id).urgency
            if best.map({ urgency < $0.urgency }) ?? true { best = (place, urgency) }
        }
        return best?.place
    }

    /// Ends the connection when the frames that are being put together have been sent.
    func failLater(_ error: HTTP2Error) {
        LoopExecutor.shared.later { [self] in
            if !self.isEnding { self.fail(error) }
        }
    }
}

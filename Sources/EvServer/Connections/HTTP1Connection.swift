// HTTP/1.1 on one connection, read as a loop: bytes come in, heads become exchanges one at a time, answers go out, and
// then it is idle again or closes. It decides nothing about HTTP that `HTTP1` decides. An idle connection holds no
// buffer, no task and no exchange.

import EvLoop
import HTTP1
import HTTPCore
import Logging

package final class HTTP1Connection: Connection {
    // MARK: the present message
    /// A head that has begun and not ended.
    private(set) var partial: PartialHead?
    /// Later requests, waiting for the present one to be answered.
    @exclusivity(unchecked) private(set) var pending: [UInt8] = []
    /// The rest of a body that nobody read and that is short enough to swallow.
    @exclusivity(unchecked) private var unread: BodyDecoder?
    /// Bytes of it that may still be swallowed, where its length is not known.
    private var unreadAllowance = 0
    @exclusivity(unchecked) var present = Present.nothing
    private var isParsing = false
    /// A request has come already.
    var hasServed = false
    /// How often its present request has been moved.
    @exclusivity(unchecked) var hops: UInt8 = 0
    /// What is in `pending` is for another process.
    @exclusivity(unchecked) private var awaitsMove = false
    /// The next stage, after an upgrade inside of `parseRequests`.
    private var successor: Connection?

    // MARK: the present response
    @exclusivity(unchecked) var encoder = ResponseEncoder()
    /// What had been sent of the response when the client's half-close was looked at last.
    private var sentBeforeGrace: UInt64 = 0

    override var hold: Hold? { kept ?? running?.hold }

    override var exchange: Exchange? { running }
    override var isIdle: Bool { if case .nothing = present { true } else { false } }
    override var parcel: Parcel? { isParsing ? nil : heldParcel ?? ownParcel }
    override var isSilent: Bool { partial?.parser.hasSeenBytes != true }

    /// When the head began that has not ended; nil where none has begun.
    var headSince: Double? { partial?.since }
    /// The rest of a body that nobody wants is read.
    var isSwallowing: Bool { unread != nil }

    override func begun() { worker.deadlines.begin(.head, self) }

    // MARK: reading

    /// Bytes of a body whose length is known are read to where the app will find them.
    override func readable() {
        if let running, !isEnding, let room = running.roomForBody() {
            let count = transport.read(into: room)
            guard count > 0 else { return readFailed(count) }
            Counted.add(UInt64(count), at: Counter.bytesReceived)
            running.receivedBody(count)
            return updateInterest()
        }
        super.readable()
    }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        var bytes = bytes
        if let running {
            bytes = running.receiveBody(bytes)
            if !isEnding, !bytes.isEmpty { pending.append(contentsOf: bytes) }
            // The end of its body may have brought the answer, before these bytes could be seen to wait.
            return isIdle && !pending.isEmpty ? parseLater() : updateInterest()
        }
        if kept != nil {
            if !isEnding { pending.append(contentsOf: bytes) }
            return updateInterest()
        }
        if unread != nil {
            bytes = swallow(bytes)
            if isEnding || unread != nil { return }
        }
        if awaitsMove {
            pending.append(contentsOf: bytes)
            return updateInterest()
        }
        if let partial {
            self.partial = nil
            partial.bytes.append(contentsOf: bytes)
            partial.bytes.withUnsafeBytes { parseRequests($0, continuing: partial) }
        } else {
            parseRequests(bytes, continuing: nil)
        }
    }

    /// Starts the requests in these bytes, each after the one before it has been answered.
    private func parseRequests(_ received: UnsafeRawBufferPointer, continuing begun: PartialHead?) {
        var parser = begun?.parser ?? worker.parser
        var begun = begun
        var bytes = received
        isParsing = true
        while isIdle, unread == nil, !isEnding, !bytes.isEmpty, !isOutputFull, !awaitsMove {
            switch parser.parse(bytes) {
            case .head(let head, let consumed):
                if let sticky = worker.sticky, leaves(for: head, with: bytes, by: sticky) { return isParsing = false }
                bytes = UnsafeRawBufferPointer(rebasing: bytes[consumed...])
                begun = nil
                bytes = begin(head, bytes)
                if let successor {
                    self.successor = nil
                    if !bytes.isEmpty, !successor.isEnding { successor.received(bytes) }
                    return
                }
                if unread != nil { bytes = swallow(bytes) }
                if !bytes.isEmpty { parser = worker.parser }
            case .needMoreData:
                partial = PartialHead(parser, bytes, since: begun?.since)
                bytes = UnsafeRawBufferPointer(start: nil, count: 0)
                // The time of a head counts from its first byte and not from each.
                if begun == nil { worker.deadlines.begin(.head, self) }
            case .failure(let error):
                isParsing = false
                if !hasServed, becomesHTTP2(bytes) { return }
                return refuse(error, bytes, since: begun?.since)
            }
        }
        isParsing = false
        if isEnding { return }
        if !bytes.isEmpty { pending.append(contentsOf: bytes) }
        if isIdle, partial == nil, unread == nil, !awaitsMove { becameIdle() }
        updateInterest()
    }

    /// A peer that sends requests and reads no answers gets no further ones made.
    private var isOutputFull: Bool { output.count >= worker.highWaterMark }

    /// Starts a request; returns the bytes behind its body.
    private func begin(_ head: RequestHead, _ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        let exchange = Exchange(head, .http1(self), on: self)
        running = exchange
        hasServed = true
        var bytes = bytes
        if let rest = exchange.borrowBody(bytes) {
            bytes = rest
        } else if !exchange.isBodyComplete {
            bytes = exchange.receiveBody(bytes)
            // A request that is answered inside `run` leaves the connection in the list it was in, but one whose body
            // is still to come may be timed from the first line of the app.
            if !exchange.isBodyComplete { worker.deadlines.begin(.active, self) }
        }
        exchange.run()
        exchange.keepBorrowedBody()
        if running === exchange, wait != .body, wait != .held { worker.deadlines.begin(.active, self) }
        return bytes
    }

    private func swallow(_ bytes: UnsafeRawBufferPointer) -> UnsafeRawBufferPointer {
        guard var decoder = unread else { return bytes }
        unread = nil
        var offset = 0
        do throws(HTTP1Error) {
            while case .data = try decoder.next(bytes, from: &offset) {}
        } catch {
            close(linger: true)
            return bytes
        }
        // Counted with the framing: chunks of one byte with a long extension each cost as much to read as data.
        unreadAllowance -= offset
        guard unreadAllowance >= 0 else {
            close(linger: true)
            return bytes
        }
        if !decoder.isComplete {
            unread = decoder
        } else if !isParsing {
            becameIdle()
        }
        return UnsafeRawBufferPointer(rebasing: bytes[offset...])
    }

    /// What a client still owes or sends too early decides whether the socket is read.
    override var isFull: Bool {
        pending.count >= worker.inputBuffer || (running.map { $0.hasFullBuffer } ?? isOutputFull)
    }

    override var waitsForTransport: Bool { running?.waitsForTransport == true }

    /// A FIN. It may be a half-close: a request that runs is still owed its answer (RFC 9112 section 9.6).
    override func inputEnded() {
        guard !isIdle else {
            if !output.isWaiting { worker.noteDisconnect(lossPhase) }
            return output.isWaiting ? close(linger: false) : closeNow()
        }
        updateInterest()
        sentBeforeGrace = bodySent
        worker.deadlines.begin(.halfClose, self)
        worker.watchForDeparture(self)
        running?.inputEnded()
    }

    override func outputTaken() {
        if isDrained {
            running?.outputDrained()
            kept?.drained()
        }
        guard isIdle else { return }
        if wait == .active, !output.isWaiting { becameIdle() }
        if !pending.isEmpty { parsePending() }
    }

    /// The time for a next request counts from when the client has taken the answer; until then it has the write limit.
    func becameIdle() {
        worker.deadlines.begin(output.isWaiting ? .active : .keepAlive, self)
        if worker.isDraining { worker.moves.becameIdle(self) }
    }

    // MARK: the end of a response

    /// The exchange has been answered; what follows on this connection is decided here.
    func responseFinished(_ exchange: Exchange, isShort: Bool) {
        guard running === exchange else { return }
        running = nil
        hops = 0
        if output.isWaiting { answered = (exchange.head, exchange.startedAt) }
        if encoder.mustClose || isShort || isHalfClosed {
            // Only a client that asked for the close and has sent all it announced is known to send nothing more.
            return close(
                linger: !(isHalfClosed || (!exchange.head.keepAlive && exchange.isBodyComplete && pending.isEmpty)))
        }
        if !exchange.isBodyComplete {
            guard let decoder = exchange.unreadBody, mayBeSwallowed(decoder) else { return close(linger: true) }
            // Apart from the exchange's: for whoever still reads there, the body breaks off here.
            unread = decoder
            unreadAllowance = worker.configuration.drainLimit
            worker.deadlines.begin(.linger, self)
        }
        guard !isParsing else { return }
        if unread == nil { becameIdle() }
        if pending.isEmpty { updateInterest() } else { parseLater() }
    }

    /// The next request must not run inside the task of this one.
    func parseLater() { LoopExecutor.shared.later { [self] in self.parsePending() } }

    /// A body without an announced length may turn out to be short enough.
    private func mayBeSwallowed(_ decoder: BodyDecoder) -> Bool {
        (decoder.remaining ?? 0) <= UInt64(worker.configuration.drainLimit)
    }

    /// The request that runs waits again, for another process.
    func unrun(_ request: [UInt8]) {
        running = nil
        pending = request + pending
        hops += 1
        awaitsMove = true
    }

    /// No other process takes it.
    override func stays() {
        guard awaitsMove, !worker.isQuitting else { return }
        awaitsMove = false
        parsePending()
    }

    private func parsePending() {
        guard isIdle, !isEnding, !pending.isEmpty, !isOutputFull else { return updateInterest() }
        let bytes = pending
        pending = []
        bytes.withUnsafeBytes { received($0) }
    }

    /// Another request may follow, as far as this one and the worker's state go.
    func mayKeepAlive(_ exchange: Exchange) -> Bool {
        guard exchange.head.keepAlive, !isHalfClosed, !isSpare, worker.keepsConnections || worker.moves.keeps(self)
        else { return false }
        guard let incoming = exchange.incoming else { return true }
        if incoming.error != nil { return false }
        if incoming.decoder.isComplete || incoming.isRead { return true }
        // Nobody has asked for the body yet. A short one can be swallowed; one that the client holds back cannot.
        if exchange.head.expectsContinue && !incoming.hasSentContinue { return false }
        return mayBeSwallowed(incoming.decoder)
    }

    // MARK: another protocol

    /// Answers the request that runs with a head of status 101, and hands over to the stage that `make` returns.
    func upgrade(
        _ exchange: Exchange, with head: UnsafeRawBufferPointer,
        to make: (Transport, PeerAddress, Listener, Worker) -> Connection
    ) -> Connection? {
        guard running === exchange, !isEnding else { return nil }
        transmit(head)
        guard !isClosed else { return nil }
        running = nil
        let bytes = pending
        pending = []
        let next = bytes.withUnsafeBytes { become(make, leftOver: $0) }
        // That stage knows the exchange, and the exchange this one.
        if isParsing { successor = next }
        return next
    }

    /// What HTTP/1.1 cannot read may be the preface of HTTP/2, from those who may speak it without TLS. It is seen here
    /// at its first line, and the next stage reads it again.
    private func becomesHTTP2(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard worker.configuration.http2.allowsCleartext, trustsPeer else { return false }
        guard HTTP2Connection.isPreface(bytes) else { return false }
        return become({ HTTP2Connection($0, $1, $2, $3) }, leftOver: bytes) != nil
    }

    // MARK: closing

    override func willClose() {
        partial = nil
        pending = []
        unread = nil
    }

    override func peerLeft() {
        let (exchange, hold) = (running, kept)
        present = .nothing
        exchange?.clientLeft()
        hold?.clientLeft()
    }

    override var lossPhase: DisconnectPhase? {
        if let running {
            if running.headWasSent { return .response }
            // One that has ended its body too early is counted already.
            return running.isBodyComplete ? .app : isHalfClosed ? nil : .body
        }
        if let kept { return kept.hasBegun ? .response : .app }
        if !isSilent { return .head }
        return output.isWaiting ? .response : isEnding ? nil : .idle
    }

    override var endsWithClose: Bool {
        (running?.headWasSent ?? kept?.hasBegun ?? false) && encoder.framing == .untilClose
    }

    /// Of the response that is on its way.
    private var bodySent: UInt64 { running?.bodySent ?? kept?.bodySent ?? 0 }

    /// A response that cannot be completed: the connection closes without anything that looks like its end.
    func breakOff() {
        let reset = endsWithClose
        running = nil
        if reset { closeNow(reset: true) } else { close(linger: true) }
    }

    // MARK: time

    override func expired(_ wait: Wait) {
        switch wait {
        case .head:
            guard !isSilent, let partial else { return closeNow() }
            partial.bytes.withUnsafeBytes { refuse(status: 408, $0, since: partial.since) }
        case .body:
            guard let running else { return closeNow() }
            worker.deadlines.begin(running.bodyWindowExpired() ? .body : .active, self)
        case .keepAlive:
            idleTooLong()
        case .halfClose:
            guard !isIdle else { return closeNow() }
            // A streamed answer whose reader takes bytes proves that somebody is there.
            guard bodySent != sentBeforeGrace else { return gone() }
            sentBeforeGrace = bodySent
            worker.deadlines.begin(.halfClose, self)
        case .linger:
            if output.isWaiting { worker.deadlines.begin(.linger, self) } else { closeNow() }
        case .handshake, .active, .held, .write, .ping, .pong, .streams:
            break
        }
    }

    /// Somebody waits for the body from now on: it has to make progress.
    func bodyIsAwaited() {
        if wait == .active { worker.deadlines.begin(.body, self) }
    }
}

/// A head of which the end is still missing: its bytes so far, and the parser that knows how far it has looked.
final class PartialHead {
    var bytes: [UInt8]
    let parser: RequestParser
    /// Monotonic seconds at which the first of the bytes came.
    let since: Double
    init(_ parser: RequestParser, _ bytes: UnsafeRawBufferPointer, since: Double?) {
        self.parser = parser
        self.bytes = Array(bytes)
        self.since = since ?? EventLoop.coarseNow()
    }
}

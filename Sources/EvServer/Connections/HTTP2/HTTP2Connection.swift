// HTTP/2 on one connection: bytes come in, the session says what they mean, requests become exchanges on streams, and
// frames of answers go out as far as windows and the transport take them. It decides nothing about HTTP/2 that `HTTP2`
// decides. An idle connection holds no buffer, no task and no exchange.

import EvLoop
import HTTP1
import HTTP2
import HTTPCore
import Logging

package final class HTTP2Connection: Connection {
    @exclusivity(unchecked) var session: HTTP2Session
    /// Streams with bytes that wait, in the order of their turns.
    @exclusivity(unchecked) var blocked: [HTTP2Stream] = []
    /// They will be looked at again in a later turn.
    var isPumping = false
    /// The session's frames are sent when all that has come has been read.
    private var isReceiving = false
    /// When the time of the present frame began.
    private var framesBefore: UInt32 = 0
    /// How far the connection has been told to end.
    private enum Goodbye { case none, announced, said }
    private var goodbye = Goodbye.none

    override init(_ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker) {
        session = HTTP2Session(worker.configuration.http2.settings)
        super.init(transport, peer, listener, worker)
    }

    /// Whether bytes that HTTP/1.1 has refused may be the preface, or its beginning.
    static func isPreface(_ bytes: UnsafeRawBufferPointer) -> Bool {
        let preface = HTTP2Session.preface
        let count = min(bytes.count, preface.utf8CodeUnitCount)
        return count >= 16
            && bytes.prefix(count).elementsEqual(UnsafeBufferPointer(start: preface.utf8Start, count: count))
    }

    override var isIdle: Bool { session.streamCount == 0 }
    override var isSilent: Bool { session.isSilent }
    override var isFull: Bool { output.count >= worker.highWaterMark }
    override var lossPhase: DisconnectPhase? {
        if isEnding { return nil }
        // Streams count for themselves.
        return session.streamCount > 0 ? nil : session.isMidFrame && !isSilent ? .head : .idle
    }
    var streams: [HTTP2Stream] { session.owners().map { unsafeDowncast($0, to: HTTP2Stream.self) } }

    override func begun() {
        worker.deadlines.begin(.head, self)
        sendFrames()
    }

    // MARK: reading

    override func received(_ bytes: UnsafeRawBufferPointer) {
        session.refill(at: EventLoop.coarseNow())
        isReceiving = true
        var offset = 0
        while !isEnding {
            let event = session.next(bytes, from: &offset)
            if case .needMoreData = event { break }
            handle(event, bytes)
        }
        isReceiving = false
        guard !isEnding else { return }
        settleWait()
        sendFrames()
        updateInterest()
    }

    private func handle(_ event: HTTP2Session.Event, _ bytes: UnsafeRawBufferPointer) {
        switch event {
        case .needMoreData: break
        case .request(let id, let section): begin(id, section)
        case .tooLarge(let id, let endsStream): refuse(id, HTTP1Error(.headTooLarge), [], hasBody: !endsStream)
        case .data(let id, let owner, let range, let ends):
            received(id, owner, UnsafeRawBufferPointer(rebasing: bytes[range]), ends)
        case .reset(_, let owner, let code):
            if let owner { unsafeDowncast(owner, to: HTTP2Stream.self).wasReset(code) }
        case .windowOpened, .priorityChanged: pump()
        case .acknowledged: if goodbye == .announced { sayGoodbye() }
        case .failure(let error): fail(error)
        }
    }

    private func received(_ id: UInt32, _ owner: AnyObject?, _ bytes: UnsafeRawBufferPointer, _ ends: Bool) {
        guard let owner else { return session.consumed(id, bytes.count) }
        unsafeDowncast(owner, to: HTTP2Stream.self).received(bytes, ends: ends)
    }

    /// What is waited for, as far as it is the connection's: its streams have lists of their own.
    func settleWait() {
        guard !isEnding else { return }
        if goodbye == .said, session.streamCount == 0, !session.isMidFrame {
            sendFrames()
            close(linger: true)
        } else if session.isMidFrame {
            // Each frame has its time: where many come, nearly every read ends within one.
            if wait != .head || session.frames != framesBefore { worker.deadlines.begin(.head, self) }
            framesBefore = session.frames
        } else if session.streamCount > 0 {
            if wait != .streams { worker.deadlines.begin(.streams, self) }
        } else if wait != .keepAlive {
            becameIdle()
        }
    }

    private func becameIdle() {
        // A worker that leaves gives an idle client a moment; without that, an answer is the last.
        if session.lastStream > 0, isSpare || !worker.keepsConnections && !worker.isDraining {
            sayGoodbye()
            return close(linger: true)
        }
        worker.deadlines.begin(.keepAlive, self)
    }

    /// A stream is over.
    func streamEnded() {
        if !worker.keepsConnections { announceEnd() }
        guard !isReceiving else { return }
        settleWait()
        sendFrames()
    }

    // MARK: writing

    /// Sends what the session has to say, with what else leaves in this turn.
    func sendFrames() {
        guard !session.output.isEmpty, !isReceiving, !isEnding else { return }
        let frames = session.output
        session.output = []
        frames.withUnsafeBytes { deferBytes($0) }
    }

    /// Frames are put behind those of the session, which come first.
    func send(_ frames: UnsafeRawBufferPointer) {
        if !session.output.isEmpty {
            let own = session.output
            session.output = []
            own.withUnsafeBytes { deferBytes($0) }
        }
        if frames.count < Self.largePiece { deferBytes(frames) } else { transmit(frames) }
    }

    /// Bytes that are worth a call of their own.
    private static let largePiece = 16_384

    override func outputTaken() { pump() }

    /// Bytes of answers that wait in memory.
    private var waitingBytes: Int { blocked.reduce(0) { $0 + $1.pending.count - $1.pendingStart } }

    /// A peer that asks and does not take the answers gets no further ones made. Nothing else can hold it back: the
    /// windows that it is to open come by the same way as its requests.
    var hasRoomForRequests: Bool { blocked.isEmpty || waitingBytes < Self.mostWaiting }

    private static let mostWaiting = 4 << 20

    // MARK: the end

    /// Begins to end the connection: new requests are still served until the peer has seen that.
    private func announceEnd() {
        guard goodbye == .none else { return }
        goodbye = .announced
        session.announceEnd()
        session.ping()
    }

    /// Says that requests from now on are not served.
    override func sayGoodbye() {
        guard goodbye != .said else { return }
        goodbye = .said
        session.goAway()
        let frames = session.output
        session.output = []
        frames.withUnsafeBytes { transmit($0) }
    }

    override func workerLeaves() {
        announceEnd()
        sendFrames()
    }

    override func endOfDrain() {
        guard !isEnding else { return }
        for stream in streams { stream.endOfDrain() }
        _ = closeIfStillIdle()
    }

    /// What the peer has done ends the connection.
    func fail(_ error: HTTP2Error) {
        let facts: Logger.Metadata = ["reason": "\(error.detail)", "peer": "\(peer.host)"]
        worker.logger.debug("Closed a connection of HTTP/2", metadata: facts)
        session.goAway(error.code, error.detail)
        let frames = session.output
        session.output = []
        frames.withUnsafeBytes { transmit($0) }
        let ended = endStreams()
        close(linger: true)
        for stream in ended { stream.wasReset(error.code) }
    }

    private func endStreams() -> [HTTP2Stream] {
        blocked = []
        return session.end().map { unsafeDowncast($0, to: HTTP2Stream.self) }
    }

    /// A client that sends no more cannot open windows either.
    override func inputEnded() {
        if session.streamCount == 0, !output.isWaiting { worker.noteDisconnect(lossPhase) }
        let ended = endStreams()
        closeNow()
        for stream in ended { stream.peerLeft() }
    }

    override func peerLeft() { for stream in endStreams() { stream.peerLeft() } }

    // MARK: time

    override func expired(_ wait: Wait) {
        switch wait {
        case .head:
            guard !isSilent else { return closeNow() }
            fail(HTTP2Error.headTimeout)
        case .keepAlive: _ = closeIfStillIdle()
        case .linger:
            if output.isWaiting { worker.deadlines.begin(.linger, self) } else { closeNow() }
        case .body, .halfClose, .handshake, .active, .held, .write, .ping, .pong, .streams: break
        }
    }
}

// A connection whose request was answered with 101: a WebSocket (RFC 6455). Messages wait here until the app takes
// them, and while too many wait the socket is not read. Control frames, the close handshake and the keep-alive pings
// are answered here, without the app. The exchange of the request runs on until the socket ends.

import EvLoop
import HTTP1
import Logging
package import WebSocketCodec

package final class WebSocketConnection: Connection {
    package struct Message {
        package let isText: Bool
        package let bytes: [UInt8]
    }

    /// What the app is told next.
    package enum Event {
        case message(Message)
        /// The socket has ended, for good: `.abnormal` without a close frame of the client's.
        case closed(CloseCode, reason: String)
        /// Nothing yet: the exchange's observers are told when there is.
        case wait
    }

    /// Why the socket ends. An object, because nearly all of many thousands have none.
    package final class End: Sendable {
        package let code: CloseCode
        package let reason: String

        init(_ code: CloseCode, _ reason: String = "") {
            self.code = code
            self.reason = reason
        }
    }

    /// How far the close handshake is. Nothing leads back.
    enum Phase {
        case open
        /// The close frame is on its way, and the client's is waited for.
        case closing
        case over
    }

    /// Until the socket is over: the exchange keeps the socket, for what the app has not taken yet.
    private(set) var request: Exchange?
    @exclusivity(unchecked) private var decoder: MessageDecoder
    @exclusivity(unchecked) private var inbox = Inbox()
    /// What has been read and waits, as it came, for room among the messages.
    @exclusivity(unchecked) private var unread: [UInt8] = []
    package private(set) var end: End?
    private let compression: OutgoingCompression?

    // MARK: a Swift app's side
    var receiver: (any WebSocketReceiver)?
    @exclusivity(unchecked) var tasks: WaitingTasks?
    @exclusivity(unchecked) var places: [Place] = []
    /// Nil for one that listens on no channel.
    var listening: SocketListening?

    // MARK: what takes little room, in one place: there are many thousand sockets
    private(set) var phase = Phase.open
    /// The connection has broken, or its client was given up.
    package private(set) var isLost = false
    /// Messages come faster than the app takes them.
    private(set) var isPaused = false
    /// Bytes have come since the last look of the keep-alive timer.
    private var hasHeard = false
    /// The receiver is being called.
    var isDelivering = false

    init(
        _ transport: Transport, _ peer: PeerAddress, _ listener: Listener, _ worker: Worker, request: Exchange,
        deflate: DeflateAgreement?
    ) {
        self.request = request
        compression = deflate.map { OutgoingCompression($0, worker.compressors) }
        decoder = MessageDecoder(
            limit: worker.configuration.webSocket.maxSize,
            inflation: deflate.map { MessageInflation($0, worker.inflaters) })
        super.init(transport, peer, listener, worker)
    }

    override var exchange: Exchange? { request }
    override var isIdle: Bool { false }
    override var lossPhase: DisconnectPhase? { phase == .over ? nil : .webSocket }

    override func begun() {
        worker.deadlines.begin(.ping, self)
        if worker.farewell?.isOver == true { LoopExecutor.shared.later { [self] in self.leave() } }
    }

    // MARK: what comes

    private var maxQueue: Int { worker.configuration.webSocket.maxQueue }

    override var isFull: Bool { isPaused || output.count >= worker.highWaterMark }

    override func received(_ bytes: UnsafeRawBufferPointer) {
        hasHeard = true
        if wait == .pong { worker.deadlines.begin(.ping, self) }
        if isPaused { unread.append(contentsOf: bytes) } else { decode(bytes) }
    }

    private func decode(_ bytes: UnsafeRawBufferPointer) {
        let room = worker.readBuffer
        guard var source = bytes.baseAddress, let start = room.baseAddress else { return }
        if source >= UnsafeRawPointer(start), source < UnsafeRawPointer(start) + room.count {
            return read(UnsafeMutableRawBufferPointer(mutating: bytes))
        }
        // Payloads are unmasked where they stand, and these bytes belong to somebody else.
        var left = bytes.count
        while left > 0, phase != .over, !isEnding {
            let count = min(left, room.count)
            room.copyMemory(from: UnsafeRawBufferPointer(start: source, count: count))
            source += count
            left -= count
            read(UnsafeMutableRawBufferPointer(rebasing: room[..<count]))
        }
    }

    private func read(_ bytes: UnsafeMutableRawBufferPointer) {
        var offset = 0
        let wasEmpty = inbox.isEmpty
        do throws(Violation) {
            reading: while phase != .over {
                if isPaused {
                    unread.append(contentsOf: bytes[offset...])
                    break
                }
                switch try decoder.next(bytes, from: &offset) {
                case .needMoreData: break reading
                case .message(let isText, let content): keep(isText, content, bytes)
                case .ping(let content): answer(content, bytes)
                case .pong: break
                case .close(let code, let reason): return peerCloses(code, reason)
                }
            }
        } catch {
            return violated(error)
        }
        if wasEmpty, !inbox.isEmpty { request?.socketHasNews() }
        updateInterest()
    }

    private func keep(_ isText: Bool, _ content: MessageDecoder.Content, _ buffer: UnsafeMutableRawBufferPointer) {
        // The app has closed: it takes no more (RFC 6455 section 1.4).
        guard phase == .open else { return }
        let bytes =
            switch content {
            case .lent(let range): [UInt8](UnsafeRawBufferPointer(rebasing: buffer[range]))
            case .kept(let kept): kept
            }
        Counted.add(at: Counter.messagesReceived)
        inbox.append(Message(isText: isText, bytes: bytes))
        if inbox.count >= maxQueue || inbox.bytes >= worker.inputBuffer { isPaused = true }
    }

    private func answer(_ content: MessageDecoder.Content, _ buffer: UnsafeMutableRawBufferPointer) {
        guard phase == .open else { return }
        switch content {
        case .lent(let range): sendLater(.pong, UnsafeRawBufferPointer(rebasing: buffer[range]))
        case .kept(let kept): kept.withUnsafeBytes { sendLater(.pong, $0) }
        }
    }

    /// With what else is sent in this turn of the loop: a client may send thousands of pings in one piece.
    private func sendLater(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer) {
        request?.socketSends(payload.count)
        OwnFrameHead(opcode, count: payload.count).withUnsafeBytes { deferBytes($0) }
        deferBytes(payload)
    }

    private func peerCloses(_ code: CloseCode, _ reason: String) {
        // What came before the goodbye may still be answered.
        tellReaders()
        if phase == .open { transmitClose(code) }
        ended(code, reason)
        // It is the server that closes first (section 7.1.1). Some clients say goodbye once more, which is to be read.
        close(linger: true)
    }

    /// Section 7.1.7.
    private func violated(_ violation: Violation) {
        let facts: Logger.Metadata = [
            "peer": "\(peer.host)", "code": "\(violation.code.rawValue)", "reason": "\(violation.detail)",
        ]
        worker.logger.info(
            "A WebSocket is closed for what its client sent",
            metadata: facts.merging(request?.identifiers ?? [:]) { $1 })
        if phase == .open { transmitClose(violation.code) }
        ended(violation.code, "")
        close(linger: true)
    }

    override func inputEnded() { gone() }

    override func peerLeft() {
        guard phase != .over else { return }
        isLost = phase == .open
        phase = .over
        end = end ?? End(.abnormal)
        request?.clientLeft()
        tellOfEnd()
        request = nil
    }

    /// The app is told, after the messages that it has not taken yet.
    private func ended(_ code: CloseCode, _ reason: String) {
        guard phase != .over else { return }
        let isByClient = phase == .open
        phase = .over
        end = end ?? End(code, reason)
        request?.socketEnded()
        if isByClient { cancelUnlessRead() }
        tellOfEnd()
        request = nil
    }

    /// There is room again for messages.
    private func goOn() {
        isPaused = false
        let bytes = unread
        unread = []
        if !bytes.isEmpty { bytes.withUnsafeBytes { decode($0) } }
        updateInterest()
    }

    // MARK: what the app does

    /// Takes the next message, in order.
    package func next() -> Event {
        guard let message = inbox.next() else {
            return end.map { .closed($0.code, reason: $0.reason) } ?? .wait
        }
        if isPaused, inbox.count <= maxQueue / 2, inbox.bytes <= worker.inputBuffer / 2 { goOn() }
        return .message(message)
    }

    /// The app takes no more: what has come and was not taken is forgotten.
    package func forgetMessages() {
        inbox = Inbox()
        if isPaused { goOn() }
    }

    /// Sends a message as one frame.
    package func send(isText: Bool, _ bytes: UnsafeRawBufferPointer) -> Exchange.WriteResult {
        guard phase == .open, !isClosed else { return .gone }
        Counted.add(at: Counter.messagesSent)
        let opcode = isText ? Opcode.text : .binary
        if let compression {
            compression.withCompressed(bytes) { transmit(opcode, $0 ?? bytes, isCompressed: $0 != nil) }
        } else {
            transmit(opcode, bytes)
        }
        return writeResult
    }

    /// The same for a message whose frame is there already: many sockets send it from one place.
    package func send(_ message: EncodedMessage) -> Exchange.WriteResult {
        guard phase == .open, !isClosed else { return .gone }
        if compression?.keepsContext == true { return message.withPayload { send(isText: message.isText, $0) } }
        Counted.add(at: Counter.messagesSent)
        request?.socketSends(message.payloadCount)
        transmit(shared: compression?.frame(of: message) ?? message.frame)
        return writeResult
    }

    /// Sends a message unless the client takes too little: `.full` says that nothing was sent.
    package func sendNow(_ message: EncodedMessage) -> Exchange.WriteResult {
        guard phase == .open, !isBehind else { return phase == .open ? .full : .gone }
        return send(message) == .gone ? .gone : .ok
    }

    /// The same for a control frame, whose payload has 125 bytes at most.
    func sendNow(_ opcode: Opcode, _ payload: [UInt8]) -> Exchange.WriteResult {
        guard phase == .open, !isClosed, !isBehind else { return phase == .open && !isClosed ? .full : .gone }
        payload.withUnsafeBytes { transmit(opcode, $0) }
        return phase == .over ? .gone : .ok
    }

    private var writeResult: Exchange.WriteResult { phase == .over ? .gone : isBehind ? .full : .ok }

    /// The client has not taken enough of what was sent.
    package var isBehind: Bool { output.isFull(above: worker.highWaterMark) }

    /// Begins the close handshake. The client has `lingerTimeout` seconds for its part.
    package func close(_ code: CloseCode, reason: String = "") {
        guard phase == .open, !isClosed else { return }
        transmitClose(code, reason)
        guard !isClosed else { return }
        phase = .closing
        end = End(code, reason)
        worker.deadlines.begin(.linger, self)
        // The client's close frame may stand behind messages that nobody takes.
        goOn()
        request?.socketHasNews()
    }

    // MARK: bytes

    private func transmit(_ opcode: Opcode, _ payload: UnsafeRawBufferPointer, isCompressed: Bool = false) {
        request?.socketSends(payload.count)
        let head = OwnFrameHead(opcode, count: payload.count, isCompressed: isCompressed)
        let writer = worker.writer
        writer.removeAll(keepingCapacity: true)
        head.withUnsafeBytes { writer.append($0) }
        if payload.count <= 16_384 {
            writer.append(payload)
            transmit(writer.bytes)
        } else {
            transmit(writer.bytes, payload)
        }
    }

    private func transmitClose(_ code: CloseCode, _ reason: String = "") {
        ClosePayload.bytes(code, reason).withUnsafeBytes { transmit(.close, $0) }
    }

    override func outputTaken() {
        guard isDrained else { return }
        request?.outputDrained()
        wakeTasks()
        deliver()
    }

    // MARK: time

    override func expired(_ wait: Wait) {
        switch wait {
        case .ping:
            compression?.rest()
            guard !hasHeard, !isFull else { return listen() }
            transmit(.ping, UnsafeRawBufferPointer(start: nil, count: 0))
            if !isClosed { worker.deadlines.begin(.pong, self) }
        case .pong:
            // What a client says while nobody reads is not its fault.
            guard !isFull else { return listen() }
            transmitClose(.internalError, "keepalive ping timeout")
            end = end ?? End(.internalError)
            gone()
        case .linger:
            isEnding && output.isWaiting ? worker.deadlines.begin(.linger, self) : gone()
        case .head, .body, .keepAlive, .halfClose, .handshake, .active, .held, .write, .streams:
            break
        }
    }

    private func listen() {
        hasHeard = false
        worker.deadlines.begin(.ping, self)
    }

    /// The worker leaves: the client is to come back to its successor.
    func leave() {
        dismiss(.serviceRestart)
    }

    /// Closes it, and neither its client nor its app has asked for that.
    func dismiss(_ code: CloseCode, reason: String = "") {
        guard phase == .open else { return }
        close(code, reason: reason)
        cancelUnlessRead()
    }
}

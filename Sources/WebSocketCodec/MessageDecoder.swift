// Frames to messages (RFC 6455 section 5.4), with control frames between their pieces. A message that stands whole in
// the buffer is lent from there; of others, and of those that are compressed, the bytes are gathered as they come, and
// never by the length that a client announces.

package struct MessageDecoder {
    /// The bytes of a message.
    package enum Content: Equatable, Sendable {
        /// Where they are in the buffer of this call.
        case lent(Range<Int>)
        case kept([UInt8])
    }

    package enum Event: Equatable, Sendable {
        case needMoreData
        /// A text has been found to be UTF-8.
        case message(isText: Bool, Content)
        case ping(Content)
        case pong
        /// `.noStatus` when the frame had no code. What follows it is not to be read (section 5.5.1).
        case close(CloseCode, reason: String)
    }

    private var frames: FrameDecoder
    private let limit: UInt64
    /// Where permessage-deflate was agreed upon.
    private var inflation: MessageInflation?
    /// Of the message that has begun.
    private var isText = false
    private var isCompressed = false
    /// Bytes of its payload in frames that have begun.
    private var announced: UInt64 = 0
    private var isInsideMessage = false
    /// Some of the present data frame has been seen, and not its end.
    private var isInsidePiece = false
    private var gathered: [UInt8] = []
    /// Of a text.
    private var utf8: UTF8Check?
    private var control: [UInt8] = []

    /// - Parameters:
    ///   - limit: bytes of a message, inflated.
    ///   - inflation: where permessage-deflate was agreed upon.
    package init(limit: Int, inflation: MessageInflation? = nil) {
        frames = FrameDecoder(mayBeCompressed: inflation != nil)
        self.inflation = inflation
        self.limit = UInt64(limit)
    }

    /// A frame or a message has begun and not ended.
    package var isBegun: Bool { isInsideMessage || frames.isInsideFrame }

    /// Reads on at `offset` and moves it behind what was used. Call again until it needs more data. After an error the
    /// rest is not to be read.
    package mutating func next(
        _ bytes: UnsafeMutableRawBufferPointer, from offset: inout Int
    ) throws(Violation) -> Event {
        while true {
            guard case .piece(let header, let range, let endsFrame) = try frames.next(bytes, from: &offset) else {
                return .needMoreData
            }
            let payload = UnsafeRawBufferPointer(rebasing: bytes[range])
            let event =
                header.opcode.isControl
                ? try controlFrame(header.opcode, payload, range, endsFrame)
                : try dataFrame(header, payload, range, endsFrame)
            if let event { return event }
        }
    }

    private mutating func dataFrame(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ range: Range<Int>, _ endsFrame: Bool
    ) throws(Violation) -> Event? {
        if !isInsidePiece { try beginFrame(header) }
        isInsidePiece = !endsFrame
        if isCompressed {
            try inflation?.accept(payload, limit: limit, &gathered, &utf8)
        } else if utf8?.accept(payload) == false {
            throw Violation(.invalidPayload, "a text is not UTF-8")
        }
        let isLent = !isCompressed && gathered.isEmpty && endsFrame && header.isFinal
        if !isCompressed, !isLent { gathered.append(contentsOf: payload) }
        guard endsFrame, header.isFinal else { return nil }
        isInsideMessage = false
        if isCompressed { try inflation?.end() }
        guard utf8?.isComplete != false else { throw Violation(.invalidPayload, "a text ends within a character") }
        if isLent { return .message(isText: isText, .lent(range)) }
        let whole = gathered
        gathered = []
        return .message(isText: isText, .kept(whole))
    }

    private mutating func beginFrame(_ header: FrameHeader) throws(Violation) {
        if header.opcode == .continuation {
            guard isInsideMessage else { throw Violation(.protocolError, "a continuation of nothing") }
        } else {
            guard !isInsideMessage else { throw Violation(.protocolError, "a message within another") }
            isInsideMessage = true
            isText = header.opcode == .text
            isCompressed = header.isCompressed
            utf8 = isText ? UTF8Check() : nil
            announced = 0
        }
        // Before the bytes come: nobody has to wait for what will be refused.
        let limit = isCompressed ? MessageInflation.wireLimit(limit) : limit
        guard header.count <= limit - announced else {
            throw Violation(.messageTooBig, "a message is longer than --ws-max-size")
        }
        announced += header.count
    }

    private mutating func controlFrame(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ range: Range<Int>, _ endsFrame: Bool
    ) throws(Violation) -> Event? {
        guard endsFrame, control.isEmpty else {
            control.append(contentsOf: payload)
            guard endsFrame else { return nil }
            let whole = control
            control = []
            // `withUnsafeBytes` of an array forgets the type of an error.
            let result: Result<Event, Violation> = whole.withUnsafeBytes { bytes in
                do throws(Violation) { return .success(try Self.event(opcode, bytes, .kept(whole))) } catch {
                    return .failure(error)
                }
            }
            return try result.get()
        }
        return try Self.event(opcode, payload, .lent(range))
    }

    private static func event(
        _ opcode: Opcode, _ payload: UnsafeRawBufferPointer, _ content: Content
    ) throws(Violation) -> Event {
        switch opcode {
        case .close:
            let (code, reason) = try ClosePayload.read(payload)
            return .close(code, reason: reason)
        case .ping: return .ping(content)
        default: return .pong
        }
    }
}

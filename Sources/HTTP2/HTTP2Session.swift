// One connection of HTTP/2 (RFC 9113), the server's side, without I/O and clocks: received bytes to events, decisions
// to frames. Control frames of its own gather in `output`; whoever uses it sends them, and the frames of answers. Law:
// whatever a peer sends, what is kept for it is bounded by the settings, and what is done for it by the budget.
// HPACK is nghttp2's and the frames are not: a session of nghttp2 keeps 25 KB for every idle connection, 9 KB of it
// whatever its options and allocator are, and leaves to its user most of what the budget counts.

package struct HTTP2Session {
    package enum Event {
        /// All bytes are used.
        case needMoreData
        case request(UInt32, RequestSection)
        /// A request that asks for more than the list of fields may have; it can be answered.
        case tooLarge(UInt32, endsStream: Bool)
        /// A range of the given bytes, perhaps empty. `ends`: the body is complete.
        case data(UInt32, AnyObject?, Range<Int>, ends: Bool)
        /// The stream is over before its time, by the peer or because of it.
        case reset(UInt32, AnyObject?, ErrorCode)
        /// More may be sent, on one stream or on several.
        case windowOpened
        case priorityChanged
        /// The peer has answered the ping of `ping()`.
        case acknowledged
        /// The connection cannot go on. Final.
        case failure(HTTP2Error)
    }

    /// What the peer sends first (section 3.4).
    package static let preface: StaticString = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

    let settings: HTTP2Settings
    var peer = PeerSettings()
    var streams = StreamTable()
    /// Frames that are to be sent.
    package var output: [UInt8] = []
    var decoder: FieldDecoder?
    var calm = Calm()

    // MARK: what is being received
    var reading = Reading.preface(0)
    enum Reading {
        /// So many bytes of it have come.
        case preface(Int)
        case frames
        /// Of a frame's payload: bytes of the body, and of padding behind them.
        case data(Int, padding: Int)
        case failed(HTTP2Error)
    }
    /// A frame that is not whole.
    var partial: [UInt8] = []
    /// The DATA frame that is being received; nil for one whose bytes nobody wants.
    var dataStream: UInt32?
    var dataEnds = false
    /// A field section that goes on in CONTINUATION frames.
    var open: OpenSection?
    var hasSettings = false
    /// The peer has seen the settings.
    var isAcknowledged = false

    // MARK: windows and numbers
    var sendWindow = HTTP2Settings.firstWindow
    var receiveWindow: Int
    var credit = 0
    /// The highest number of a request.
    package private(set) var lastStream: UInt32 = 0
    /// Requests above it are not served.
    var lastServed: UInt32 = 0x7fff_ffff
    /// Streams that this side has reset: what was on its way then is ignored.
    var forgotten: [UInt32] = []
    /// Priorities that came before their requests.
    var foretold: [(stream: UInt32, priority: Priority)] = []
    /// Frames that have come whole, DATA apart, modulo 2^32.
    package private(set) var frames: UInt32 = 0
    /// The first field section says that there is no table.
    package var resetsTable = true

    struct OpenSection {
        let stream: UInt32
        let endsStream: Bool
        let dependsOnItself: Bool
        var block: [UInt8]
        var frames = 1
    }

    package init(_ settings: HTTP2Settings) {
        self.settings = settings
        receiveWindow = max(settings.connectionWindowSize, HTTP2Settings.firstWindow)
        output = settings.opening
    }

    package var streamCount: Int { streams.count }
    /// Not a byte has come.
    package var isSilent: Bool { if case .preface(0) = reading { true } else { false } }
    /// A frame or a field section has begun, or the preface, and has not ended.
    package var isMidFrame: Bool {
        if case .preface = reading { return true }
        return !partial.isEmpty || open != nil || !hasSettings
    }

    /// - Parameter now: monotonic seconds.
    package mutating func refill(at now: Double) { calm.refill(at: now) }

    /// The next event in `bytes` from `offset` on, which moves over what was used. To be called until `needMoreData` or
    /// `failure`.
    package mutating func next(_ bytes: UnsafeRawBufferPointer, from offset: inout Int) -> Event {
        do throws(HTTP2Error) {
            while true {
                if let event = try step(bytes, &offset) { return event }
            }
        } catch {
            reading = .failed(error)
            (partial, open) = ([], nil)
            return .failure(error)
        }
    }

    private mutating func step(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) throws(HTTP2Error) -> Event? {
        guard offset >= 0, offset < bytes.count else { return .needMoreData }
        switch reading {
        case .failed(let error): throw error
        case .preface(let count):
            let wanted = Self.preface.utf8Start[count]
            guard bytes[offset] == wanted else { throw HTTP2Error(.protocolError, "not the preface of HTTP/2") }
            offset += 1
            let isWhole = count + 1 == Self.preface.utf8CodeUnitCount
            reading = isWhole ? .frames : .preface(count + 1)
            return nil
        case .data(let count, let padding): return readData(count, padding, bytes, &offset)
        case .frames: return try readFrame(bytes, &offset)
        }
    }

    private mutating func readData(
        _ count: Int, _ padding: Int, _ bytes: UnsafeRawBufferPointer, _ offset: inout Int
    ) -> Event? {
        let taken = min(count, bytes.count - offset)
        let range = offset..<offset + taken
        offset += taken
        let isLast = taken == count
        if isLast {
            let skipped = min(padding, bytes.count - offset)
            offset += skipped
            reading = skipped == padding ? .frames : .data(0, padding: padding - skipped)
        } else {
            reading = .data(count - taken, padding: padding)
        }
        guard let dataStream, let index = streams.index(of: dataStream) else {
            creditConnection(taken)
            return nil
        }
        let ends = isLast && dataEnds
        guard taken > 0 || ends else { return nil }
        if isLast { self.dataStream = nil }
        let owner = streams[index].owner
        if ends { inputEnded(at: index) }
        return .data(dataStream, owner, range, ends: ends)
    }

    private mutating func readFrame(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) throws(HTTP2Error) -> Event? {
        let size = FrameHeader.byteCount
        if partial.isEmpty {
            let header = bytes.count - offset >= size ? FrameHeader(bytes[offset..<offset + size]) : nil
            if let header {
                try check(header)
                let needed = size + ownCount(of: header)
                if bytes.count - offset >= needed {
                    let payload = UnsafeRawBufferPointer(rebasing: bytes[offset + size..<offset + needed])
                    offset += needed
                    frames &+= 1
                    return try handle(header, payload)
                }
            }
            partial = Array(bytes[offset...])
            offset = bytes.count
            return .needMoreData
        }
        take(size, bytes, &offset)
        guard partial.count >= size else { return .needMoreData }
        let header = partial.withUnsafeBytes { FrameHeader($0[..<size]) }
        try check(header)
        let needed = size + ownCount(of: header)
        take(needed, bytes, &offset)
        guard partial.count >= needed else { return .needMoreData }
        let frame = partial
        partial = []
        frames &+= 1
        return try frame.withUnsafeBytes { frame in
            Result { () throws(HTTP2Error) in try handle(header, UnsafeRawBufferPointer(rebasing: frame[size...])) }
        }.get()
    }

    /// Completes the partial frame to so many bytes.
    private mutating func take(_ count: Int, _ bytes: UnsafeRawBufferPointer, _ offset: inout Int) {
        let taken = min(max(count - partial.count, 0), bytes.count - offset)
        partial.append(contentsOf: bytes[offset..<offset + taken])
        offset += taken
    }

    /// Bytes of the payload that must be there at once. The content of DATA is passed on as it comes.
    private func ownCount(of header: FrameHeader) -> Int {
        guard header.type == FrameType.data else { return header.length }
        return header.has(FrameFlags.padded) ? min(1, header.length) : 0
    }

    /// What can be said before the payload has come.
    private func check(_ header: FrameHeader) throws(HTTP2Error) {
        guard header.length <= settings.maxFrameSize else {
            throw HTTP2Error(.frameSizeError, "a frame that is too large")
        }
        if let open, header.type != FrameType.continuation || header.stream != open.stream {
            throw HTTP2Error(.protocolError, "another frame within a field section")
        }
        if !hasSettings, header.type != FrameType.settings || header.has(FrameFlags.acknowledges) {
            throw HTTP2Error(.protocolError, "the first frame is not SETTINGS")
        }
    }

    mutating func noteRequest(_ id: UInt32) { lastStream = id }
}

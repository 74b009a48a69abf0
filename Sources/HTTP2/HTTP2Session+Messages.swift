// The frames of which requests are made: HEADERS, CONTINUATION and DATA (RFC 9113 sections 6.1, 6.2, 6.10 and 8.1).

extension HTTP2Session {
    // MARK: fields

    mutating func handleHeaders(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard header.stream & 1 == 1 else { throw HTTP2Error(.protocolError, "HEADERS of no stream of a client") }
        var block = try Self.withoutPadding(header, payload)
        var dependsOnItself = false
        if header.has(FrameFlags.priority) {
            guard block.count >= 5 else { throw HTTP2Error(.frameSizeError, "HEADERS that are too short") }
            dependsOnItself = block.number(at: 0) & 0x7fff_ffff == header.stream
            block = UnsafeRawBufferPointer(rebasing: block[5...])
        }
        if block.isEmpty { try calm.spend(Calm.frame) }
        var section = OpenSection(
            stream: header.stream, endsStream: header.has(FrameFlags.endStream), dependsOnItself: dependsOnItself,
            block: [])
        if header.has(FrameFlags.endHeaders) { return try finish(section, block) }
        section.block = Array(block)
        open = section
        return nil
    }

    /// Frames that a field section may have: as many as its longest block needs, and some.
    private var mostFrames: Int { settings.maxHeaderListSize / HTTP2Settings.smallestFrame + 8 }

    mutating func handleContinuation(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard var section = open else { throw HTTP2Error(.protocolError, "CONTINUATION of no field section") }
        open = nil
        section.frames += 1
        guard section.frames <= mostFrames,
            section.block.count + payload.count <= settings.maxHeaderListSize + HTTP2Settings.smallestFrame
        else { throw HTTP2Error(.enhanceYourCalm, "a field section that does not end") }
        if payload.isEmpty { try calm.spend(Calm.frame) }
        section.block.append(contentsOf: payload)
        if header.has(FrameFlags.endHeaders) {
            return try section.block.withUnsafeBytes { block in
                Result { () throws(HTTP2Error) in try finish(section, block) }
            }.get()
        }
        open = section
        return nil
    }

    private static func withoutPadding(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> UnsafeRawBufferPointer {
        guard header.has(FrameFlags.padded) else { return payload }
        guard let padding = payload.first, Int(padding) < payload.count else {
            throw HTTP2Error(.protocolError, "more padding than payload")
        }
        return UnsafeRawBufferPointer(rebasing: payload[1..<payload.count - Int(padding)])
    }

    private enum Use { case request, trailer, ignored, refused, error(ErrorCode) }

    /// What a field section is.
    private func use(of section: OpenSection) throws(HTTP2Error) -> Use {
        if let index = streams.index(of: section.stream) {
            if streams[index].inputEnded { return .error(.streamClosed) }
            return section.endsStream ? .trailer : .error(.protocolError)
        }
        if section.stream <= lastStream {
            guard forgotten.contains(section.stream) else {
                throw HTTP2Error(.streamClosed, "HEADERS of a stream that is closed")
            }
            return .ignored
        }
        if section.stream > lastServed { return .ignored }
        if section.dependsOnItself { return .error(.protocolError) }
        return streams.count < settings.maxConcurrentStreams ? .request : .refused
    }

    /// Every section is decoded, whatever becomes of it: later ones may refer to its fields.
    private mutating func finish(
        _ section: OpenSection, _ block: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        let use = try use(of: section)
        let decoder = decoder ?? FieldDecoder(allowsConnect: settings.allowsConnectProtocol)
        self.decoder = decoder
        var isTrailer = false
        if case .trailer = use { isTrailer = true }
        let outcome = decoder.decode(block, limit: settings.maxHeaderListSize, isTrailer: isTrailer)
        if case .failure(let error) = outcome { throw error }
        if section.stream > lastStream { noteRequest(section.stream) }
        switch use {
        case .ignored:
            try calm.spend(Calm.frame)
            return nil
        case .refused: return try streamError(section.stream, .refusedStream)
        case .error(let code): return try streamError(section.stream, code)
        case .trailer: return try endWithTrailer(section.stream, outcome)
        case .request: return try begin(section, outcome)
        }
    }

    private mutating func begin(
        _ section: OpenSection, _ outcome: FieldDecoder.Outcome
    ) throws(HTTP2Error) -> Event? {
        // Before the peer has seen the settings it sends by the first window.
        let window =
            isAcknowledged ? settings.initialWindowSize : max(settings.initialWindowSize, HTTP2Settings.firstWindow)
        var state = StreamState(
            id: section.stream, sendWindow: peer.initialWindowSize, receiveWindow: window,
            inputEnded: section.endsStream, priority: Priority())
        switch outcome {
        case .section(var request):
            request.endsStream = section.endsStream
            state.priority = request.priority
            if let place = foretold.firstIndex(where: { $0.stream == section.stream }) {
                state.priority = foretold.remove(at: place).priority
            }
            streams.append(state)
            return .request(section.stream, request)
        case .tooLarge:
            streams.append(state)
            return .tooLarge(section.stream, endsStream: section.endsStream)
        case .malformed: return try streamError(section.stream, .protocolError)
        case .failure(let error): throw error
        }
    }

    private mutating func endWithTrailer(_ id: UInt32, _ outcome: FieldDecoder.Outcome) throws(HTTP2Error) -> Event? {
        guard let index = streams.index(of: id) else { return nil }
        if case .malformed = outcome { return try streamError(id, .protocolError) }
        let owner = streams[index].owner
        inputEnded(at: index)
        return .data(id, owner, 0..<0, ends: true)
    }

    // MARK: bodies

    mutating func handleData(_ header: FrameHeader, _ padding: UnsafeRawBufferPointer) throws(HTTP2Error) -> Event? {
        guard !isIdle(header.stream) else { throw HTTP2Error(.protocolError, "DATA of no stream") }
        let isPadded = header.has(FrameFlags.padded)
        let padCount = Int(padding.first ?? 0)
        guard !isPadded || padCount < header.length else {
            throw HTTP2Error(.protocolError, "more padding than payload")
        }
        // The length of the padding, and the padding itself, count as well (section 6.9.1).
        guard header.length <= receiveWindow else {
            throw HTTP2Error(.flowControlError, "more DATA than the window has room for")
        }
        receiveWindow -= header.length
        let own = isPadded ? padCount + 1 : 0
        let count = header.length - own
        creditConnection(own)
        reading = header.length - (isPadded ? 1 : 0) > 0 ? .data(count, padding: padCount) : .frames
        (dataStream, dataEnds) = (nil, header.has(FrameFlags.endStream))
        if count == 0, !dataEnds { try calm.spend(Calm.frame) }
        guard let index = streams.index(of: header.stream) else {
            try calm.spend(Calm.frame)
            // What was on its way when this side has ended the stream.
            return forgotten.contains(header.stream) ? nil : try streamError(header.stream, .streamClosed)
        }
        guard !streams[index].inputEnded else { return try streamError(header.stream, .streamClosed) }
        guard header.length <= streams[index].receiveWindow else {
            return try streamError(header.stream, .flowControlError)
        }
        streams[index].receiveWindow -= header.length
        creditStream(own, at: index)
        dataStream = header.stream
        guard count == 0 else { return nil }
        dataStream = nil
        guard dataEnds else { return nil }
        let owner = streams[index].owner
        inputEnded(at: index)
        return .data(header.stream, owner, 0..<0, ends: true)
    }

    mutating func inputEnded(at index: Int) {
        streams[index].inputEnded = true
        if streams[index].outputEnded {
            _ = streams.remove(at: index)
            calm.earn(Calm.finished)
        }
    }
}

// What each frame does to the state of a connection (RFC 9113 section 6), DATA, HEADERS and CONTINUATION apart.

extension HTTP2Session {
    mutating func handle(_ header: FrameHeader, _ payload: UnsafeRawBufferPointer) throws(HTTP2Error) -> Event? {
        switch header.type {
        case FrameType.data: return try handleData(header, payload)
        case FrameType.headers: return try handleHeaders(header, payload)
        case FrameType.continuation: return try handleContinuation(header, payload)
        case FrameType.priority: return try handlePriority(header, payload)
        case FrameType.reset: return try handleReset(header, payload)
        case FrameType.settings: return try handleSettings(header, payload)
        case FrameType.ping: return try handlePing(header, payload)
        case FrameType.windowUpdate: return try handleWindowUpdate(header, payload)
        case FrameType.priorityUpdate: return try handlePriorityUpdate(header, payload)
        case FrameType.goAway:
            guard header.stream == 0, payload.count >= 8 else {
                throw HTTP2Error(.protocolError, "a malformed GOAWAY frame")
            }
            try calm.spend(Calm.frame)
        case FrameType.pushPromise: throw HTTP2Error(.protocolError, "a client that pushes")
        default: try calm.spend(Calm.frame)
        }
        return nil
    }

    /// A stream that no frame but HEADERS and PRIORITY may name yet.
    func isIdle(_ id: UInt32) -> Bool { id & 1 == 0 || id > lastStream }

    private mutating func handleSettings(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard header.stream == 0 else { throw HTTP2Error(.protocolError, "SETTINGS on a stream") }
        if header.has(FrameFlags.acknowledges) {
            guard payload.isEmpty else { throw HTTP2Error(.frameSizeError, "an acknowledgement with settings") }
            if isAcknowledged { try calm.spend(Calm.frame) }
            isAcknowledged = true
            return nil
        }
        if hasSettings { try calm.spend(Calm.frame) }
        hasSettings = true
        let before = peer.initialWindowSize
        try peer.take(payload)
        let change = peer.initialWindowSize - before
        for index in streams.states.indices where change != 0 {
            streams[index].sendWindow += change
            guard streams[index].sendWindow <= HTTP2Settings.largestWindow else {
                throw HTTP2Error(.flowControlError, "a window that is too large")
            }
        }
        output.append(FrameHeader(length: 0, type: FrameType.settings, flags: FrameFlags.acknowledges, stream: 0))
        return change > 0 ? .windowOpened : nil
    }

    private mutating func handlePing(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard header.stream == 0 else { throw HTTP2Error(.protocolError, "PING on a stream") }
        guard payload.count == 8 else { throw HTTP2Error(.frameSizeError, "a PING of a wrong length") }
        try calm.spend(Calm.frame)
        if header.has(FrameFlags.acknowledges) {
            return payload.elementsEqual(Self.pingContent.utf8) ? .acknowledged : nil
        }
        output.append(FrameHeader(length: 8, type: FrameType.ping, flags: FrameFlags.acknowledges, stream: 0))
        output.append(contentsOf: payload)
        return nil
    }

    /// Nobody believes priorities of this kind any more (section 5.3.2); one that is wrong is still an error.
    private mutating func handlePriority(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard header.stream != 0 else { throw HTTP2Error(.protocolError, "PRIORITY without a stream") }
        guard payload.count == 5 else { throw HTTP2Error(.frameSizeError, "a PRIORITY of a wrong length") }
        try calm.spend(Calm.frame)
        guard payload.number(at: 0) & 0x7fff_ffff == header.stream else { return nil }
        return try streamError(header.stream, .protocolError)
    }

    private mutating func handleReset(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard !isIdle(header.stream) else { throw HTTP2Error(.protocolError, "RST_STREAM of no stream") }
        guard payload.count == 4 else { throw HTTP2Error(.frameSizeError, "an RST_STREAM of a wrong length") }
        guard let index = streams.index(of: header.stream) else {
            try calm.spend(Calm.frame)
            return nil
        }
        try calm.spend(Calm.reset)
        let code = ErrorCode(rawValue: payload.number(at: 0)) ?? .internalError
        let state = streams.remove(at: index)
        return .reset(state.id, state.owner, code)
    }

    private mutating func handleWindowUpdate(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard payload.count == 4 else { throw HTTP2Error(.frameSizeError, "a WINDOW_UPDATE of a wrong length") }
        try calm.spend(Calm.frame)
        let increment = Int(payload.number(at: 0) & 0x7fff_ffff)
        if header.stream == 0 {
            guard increment > 0 else { throw HTTP2Error(.protocolError, "a window that grows by nothing") }
            guard sendWindow + increment <= HTTP2Settings.largestWindow else {
                throw HTTP2Error(.flowControlError, "a window that is too large")
            }
            sendWindow += increment
            return .windowOpened
        }
        guard !isIdle(header.stream) else { throw HTTP2Error(.protocolError, "WINDOW_UPDATE of no stream") }
        guard let index = streams.index(of: header.stream) else { return nil }
        guard increment > 0 else { return try streamError(header.stream, .protocolError) }
        guard streams[index].sendWindow + increment <= HTTP2Settings.largestWindow else {
            return try streamError(header.stream, .flowControlError)
        }
        streams[index].sendWindow += increment
        return .windowOpened
    }

    /// Priorities that are kept for requests that have not come.
    private static let mostForetold = 16

    /// RFC 9218 section 7.1.
    private mutating func handlePriorityUpdate(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer
    ) throws(HTTP2Error) -> Event? {
        guard header.stream == 0 else { throw HTTP2Error(.protocolError, "PRIORITY_UPDATE on a stream") }
        guard payload.count >= 4 else { throw HTTP2Error(.frameSizeError, "a PRIORITY_UPDATE that is too short") }
        try calm.spend(Calm.frame)
        let id = payload.number(at: 0) & 0x7fff_ffff
        guard id & 1 == 1 else { throw HTTP2Error(.protocolError, "PRIORITY_UPDATE of no stream") }
        let priority = Priority(Array(payload[4...]))
        if let index = streams.index(of: id) {
            streams[index].priority = priority
            return .priorityChanged
        }
        guard id > lastStream else { return nil }
        foretold.removeAll { $0.stream == id }
        if foretold.count == Self.mostForetold { foretold.removeFirst() }
        foretold.append((id, priority))
        return nil
    }
}

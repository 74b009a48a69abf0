// What this side decides: answers, windows, resets, and the end of a connection.

extension HTTP2Session {
    // MARK: streams

    /// Keeps something with a stream.
    package mutating func setOwner(_ owner: AnyObject, of id: UInt32) {
        if let index = streams.index(of: id) { streams[index].owner = owner }
    }

    package func isOpen(_ id: UInt32) -> Bool { streams.index(of: id) != nil }

    package func priority(of id: UInt32) -> Priority {
        streams.index(of: id).map { streams[$0].priority } ?? Priority()
    }

    package func owners() -> [AnyObject] { streams.states.compactMap(\.owner) }

    /// A stream error by the peer (section 5.4.2): one that made this side reset streams again and again would have
    /// the server work for nothing.
    mutating func streamError(_ id: UInt32, _ code: ErrorCode) throws(HTTP2Error) -> Event? {
        try calm.spend(Calm.reset)
        guard let index = streams.index(of: id) else {
            writeReset(id, code)
            return nil
        }
        let state = streams.remove(at: index)
        writeReset(id, code)
        return .reset(id, state.owner, code)
    }

    /// Refuses a request that has just come; it may be sent again.
    ///
    /// - Returns: an error when the peer goes on and on.
    package mutating func refuse(_ id: UInt32) -> HTTP2Error? {
        do throws(HTTP2Error) { _ = try streamError(id, .refusedStream) } catch { return error }
        return nil
    }

    /// Ends a stream. What still comes for it is ignored.
    package mutating func reset(_ id: UInt32, _ code: ErrorCode) {
        guard let index = streams.index(of: id) else { return }
        _ = streams.remove(at: index)
        writeReset(id, code)
    }

    private static let mostForgotten = 128

    private mutating func writeReset(_ id: UInt32, _ code: ErrorCode) {
        output.append(FrameHeader(length: 4, type: FrameType.reset, flags: 0, stream: id))
        output.append(number: code.rawValue)
        if forgotten.count == Self.mostForgotten { forgotten.removeFirst(Self.mostForgotten / 2) }
        forgotten.append(id)
    }

    // MARK: answers

    /// Bytes of a body that may be sent in one frame now; less than 1 for none.
    package func sendable(_ id: UInt32) -> Int {
        guard let index = streams.index(of: id) else { return 0 }
        return min(sendWindow, streams[index].sendWindow, peer.maxFrameSize)
    }

    /// A frame of the peer's size.
    package var maxFrameSize: Int { peer.maxFrameSize }

    /// A frame of so many bytes is sent.
    ///
    /// - Parameters:
    ///   - isCut: there are more, for which the window has no room.
    ///   - ends: it is the last of the answer.
    /// - Returns: an error when the peer opens its window little by little.
    package mutating func sentData(_ id: UInt32, count: Int, isCut: Bool, ends: Bool) -> HTTP2Error? {
        guard let index = streams.index(of: id) else { return nil }
        sendWindow -= count
        streams[index].sendWindow -= count
        if ends { outputEnded(at: index) }
        guard isCut, count < Calm.smallPiece else {
            if count >= Calm.smallPiece { calm.earn(Calm.carried) }
            return nil
        }
        do throws(HTTP2Error) { try calm.spend(Calm.frame) } catch { return error }
        return nil
    }

    /// The fields of the answer are sent, and there is no body.
    package mutating func sentEnd(_ id: UInt32) {
        if let index = streams.index(of: id) { outputEnded(at: index) }
    }

    private mutating func outputEnded(at index: Int) {
        streams[index].outputEnded = true
        guard streams[index].inputEnded else { return }
        _ = streams.remove(at: index)
        calm.earn(Calm.finished)
    }

    /// Frames of a field section whose bytes stand behind nine that are free: for the usual one that fits a frame.
    package func writeHeaders(_ id: UInt32, in frame: UnsafeMutableRawBufferPointer, ends: Bool) {
        FrameHeader(
            length: frame.count - FrameHeader.byteCount, type: FrameType.headers,
            flags: FrameFlags.endHeaders | (ends ? FrameFlags.endStream : 0), stream: id
        ).write(to: frame)
    }

    /// The same for a section that needs several.
    package func headers(_ id: UInt32, _ block: UnsafeRawBufferPointer, ends: Bool) -> [UInt8] {
        var frames: [UInt8] = []
        var rest = block
        var isFirst = true
        repeat {
            let part = rest.prefix(peer.maxFrameSize)
            rest = UnsafeRawBufferPointer(rebasing: rest.dropFirst(part.count))
            let flags =
                (rest.isEmpty ? FrameFlags.endHeaders : 0) | (isFirst && ends ? FrameFlags.endStream : 0)
            frames.append(
                FrameHeader(
                    length: part.count, type: isFirst ? FrameType.headers : FrameType.continuation, flags: flags,
                    stream: id))
            frames.append(contentsOf: part)
            isFirst = false
        } while !rest.isEmpty
        return frames
    }

    // MARK: windows

    /// Bytes of a body have been taken: as many more may come.
    package mutating func consumed(_ id: UInt32, _ count: Int) {
        creditConnection(count)
        if let index = streams.index(of: id) { creditStream(count, at: index) }
    }

    mutating func creditConnection(_ count: Int) {
        credit += count
        guard credit * 2 >= max(settings.connectionWindowSize, HTTP2Settings.firstWindow) else { return }
        receiveWindow += credit
        output.appendWindowUpdate(0, by: credit)
        credit = 0
    }

    mutating func creditStream(_ count: Int, at index: Int) {
        streams[index].credit += count
        guard streams[index].credit * 2 >= settings.initialWindowSize, !streams[index].inputEnded else { return }
        let credit = streams[index].credit
        streams[index].receiveWindow += credit
        output.appendWindowUpdate(streams[index].id, by: credit)
        streams[index].credit = 0
    }

    // MARK: the end

    static var pingContent: StaticString { "evgatewy" }

    /// Asks for a sign that all that was sent before has arrived.
    package mutating func ping() {
        output.append(FrameHeader(length: 8, type: FrameType.ping, flags: 0, stream: 0))
        output.append(contentsOf: UnsafeRawBufferPointer(start: Self.pingContent.utf8Start, count: 8))
    }

    /// Says that the connection will end; requests are still served.
    package mutating func announceEnd() { writeGoAway(.none, 0x7fff_ffff, "") }

    /// Says that requests from now on are not served, and why.
    package mutating func goAway(_ code: ErrorCode = .none, _ detail: StaticString = "") {
        lastServed = min(lastServed, lastStream)
        writeGoAway(code, lastServed, detail)
    }

    private mutating func writeGoAway(_ code: ErrorCode, _ last: UInt32, _ detail: StaticString) {
        output.append(
            FrameHeader(length: 8 + detail.utf8CodeUnitCount, type: FrameType.goAway, flags: 0, stream: 0))
        output.append(number: last)
        output.append(number: code.rawValue)
        output.append(contentsOf: UnsafeRawBufferPointer(start: detail.utf8Start, count: detail.utf8CodeUnitCount))
    }

    /// The connection is over. Returns the owners of the streams that were open.
    package mutating func end() -> [AnyObject] { streams.removeAll().compactMap(\.owner) }
}

extension StaticString {
    var utf8: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: utf8Start, count: utf8CodeUnitCount) }
}

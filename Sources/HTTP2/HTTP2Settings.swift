// What each side of a connection tells the other about itself (RFC 9113 section 6.5).

enum SettingID {
    static let headerTableSize: UInt16 = 1
    static let enablePush: UInt16 = 2
    static let maxConcurrentStreams: UInt16 = 3
    static let initialWindowSize: UInt16 = 4
    static let maxFrameSize: UInt16 = 5
    static let maxHeaderListSize: UInt16 = 6
    /// RFC 8441.
    static let enableConnectProtocol: UInt16 = 8
    /// RFC 9218.
    static let noPriorities: UInt16 = 9
}

/// What this side allows.
package struct HTTP2Settings: Sendable, Equatable {
    /// Streams at once.
    package var maxConcurrentStreams = 100
    /// Bytes of a request body that may be on their way before the app has taken some.
    package var initialWindowSize = 65_535
    /// The same for all bodies of a connection together.
    package var connectionWindowSize = 1 << 20
    /// Bytes of a frame's payload.
    package var maxFrameSize = 16_384
    /// Bytes of all names and values of a request, and 32 for each (RFC 9113 section 6.5.2).
    package var maxHeaderListSize = 65_536
    /// A request may ask for another protocol on its stream.
    package var allowsConnectProtocol = false

    package init() {}

    /// Where every window begins, whatever is set (RFC 9113 section 6.9.2).
    static let firstWindow = 65_535
    static let smallestFrame = 16_384
    static let largestWindow = 0x7fff_ffff

    /// The first frames of a connection.
    var opening: [UInt8] {
        var entries: [(UInt16, Int)] = [(SettingID.maxConcurrentStreams, maxConcurrentStreams)]
        if initialWindowSize != Self.firstWindow { entries.append((SettingID.initialWindowSize, initialWindowSize)) }
        if maxFrameSize != Self.smallestFrame { entries.append((SettingID.maxFrameSize, maxFrameSize)) }
        entries.append((SettingID.maxHeaderListSize, maxHeaderListSize))
        if allowsConnectProtocol { entries.append((SettingID.enableConnectProtocol, 1)) }
        entries.append((SettingID.noPriorities, 1))
        var bytes: [UInt8] = []
        bytes.append(FrameHeader(length: entries.count * 6, type: FrameType.settings, flags: 0, stream: 0))
        for (id, value) in entries {
            bytes.append(contentsOf: [UInt8(truncatingIfNeeded: id >> 8), UInt8(truncatingIfNeeded: id)])
            bytes.append(number: UInt32(clamping: value))
        }
        let more = connectionWindowSize - Self.firstWindow
        if more > 0 { bytes.appendWindowUpdate(0, by: more) }
        return bytes
    }
}

extension [UInt8] {
    mutating func appendWindowUpdate(_ stream: UInt32, by count: Int) {
        append(FrameHeader(length: 4, type: FrameType.windowUpdate, flags: 0, stream: stream))
        append(number: UInt32(clamping: count))
    }
}

/// What the peer has told.
struct PeerSettings {
    var initialWindowSize = HTTP2Settings.firstWindow
    var maxFrameSize = HTTP2Settings.smallestFrame

    /// Settings that a frame may have; honest ones have fewer than ten.
    private static let most = 32

    /// Takes the payload of a SETTINGS frame over.
    mutating func take(_ payload: UnsafeRawBufferPointer) throws(HTTP2Error) {
        guard payload.count % 6 == 0 else { throw HTTP2Error(.frameSizeError, "a SETTINGS frame of a wrong length") }
        guard payload.count / 6 <= Self.most else { throw HTTP2Error(.enhanceYourCalm, "too many settings") }
        for start in stride(from: 0, to: payload.count, by: 6) {
            let id = UInt16(payload[start]) << 8 | UInt16(payload[start + 1])
            try take(id, payload.number(at: start + 2))
        }
    }

    private mutating func take(_ id: UInt16, _ value: UInt32) throws(HTTP2Error) {
        switch id {
        case SettingID.enablePush, SettingID.enableConnectProtocol, SettingID.noPriorities:
            guard value <= 1 else { throw HTTP2Error(.protocolError, "a setting that is neither 0 nor 1") }
        case SettingID.initialWindowSize:
            guard value <= UInt32(HTTP2Settings.largestWindow) else {
                throw HTTP2Error(.flowControlError, "an initial window that is too large")
            }
            initialWindowSize = Int(value)
        case SettingID.maxFrameSize:
            guard (16_384...16_777_215).contains(value) else {
                throw HTTP2Error(.protocolError, "a frame size out of range")
            }
            maxFrameSize = Int(value)
        default:
            // HEADER_TABLE_SIZE among them: the encoder has no table.
            break
        }
    }
}

// The nine bytes in front of every frame (RFC 9113 section 4.1).

enum FrameType {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let priority: UInt8 = 2
    static let reset: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
    /// RFC 9218 section 7.1.
    static let priorityUpdate: UInt8 = 16
}

enum FrameFlags {
    static let endStream: UInt8 = 1
    /// Of SETTINGS and PING.
    static let acknowledges: UInt8 = 1
    static let endHeaders: UInt8 = 4
    static let padded: UInt8 = 8
    static let priority: UInt8 = 32
}

package struct FrameHeader: Equatable, Sendable {
    package static let byteCount = 9

    /// Bytes of the payload.
    let length: Int
    let type: UInt8
    let flags: UInt8
    /// 0 is the connection.
    let stream: UInt32

    init(length: Int, type: UInt8, flags: UInt8, stream: UInt32) {
        self.length = length
        self.type = type
        self.flags = flags
        self.stream = stream
    }

    /// - Parameter bytes: nine of them.
    init(_ bytes: Slice<UnsafeRawBufferPointer>) {
        let bytes = UnsafeRawBufferPointer(rebasing: bytes)
        length = Int(bytes[0]) << 16 | Int(bytes[1]) << 8 | Int(bytes[2])
        type = bytes[3]
        flags = bytes[4]
        // The reserved bit is ignored.
        stream = bytes.number(at: 5) & 0x7fff_ffff
    }

    func has(_ flag: UInt8) -> Bool { flags & flag != 0 }

    /// Writes it to the first nine bytes of a room that has as many.
    func write(to room: UnsafeMutableRawBufferPointer) {
        guard room.count >= Self.byteCount else { return }
        room[0] = UInt8(truncatingIfNeeded: length >> 16)
        room[1] = UInt8(truncatingIfNeeded: length >> 8)
        room[2] = UInt8(truncatingIfNeeded: length)
        room[3] = type
        room[4] = flags
        room.storeBytes(of: stream.bigEndian, toByteOffset: 5, as: UInt32.self)
    }

    /// Of DATA.
    package static func data(_ stream: UInt32, count: Int, ends: Bool) -> FrameHeader {
        FrameHeader(length: count, type: FrameType.data, flags: ends ? FrameFlags.endStream : 0, stream: stream)
    }

    package func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) -> Result) -> Result {
        withUnsafeTemporaryAllocation(byteCount: Self.byteCount, alignment: 1) { room in
            write(to: room)
            return body(UnsafeRawBufferPointer(room))
        }
    }
}

extension UnsafeRawBufferPointer {
    /// Four bytes, the most significant first. The caller has seen that they are there.
    func number(at offset: Int) -> UInt32 {
        UInt32(bigEndian: loadUnaligned(fromByteOffset: offset, as: UInt32.self))
    }
}

extension [UInt8] {
    mutating func append(_ header: FrameHeader) {
        header.withUnsafeBytes { append(contentsOf: $0) }
    }

    mutating func append(number: UInt32) {
        Swift.withUnsafeBytes(of: number.bigEndian) { append(contentsOf: $0) }
    }
}

// What servers send each other through Redis: some messages of one server with its id and their numbers, in one
// payload, so that each receiver leaves out its own and sees what is missing. The bytes come from elsewhere: nothing is
// taken for granted.

/// `EVB1`, the id of the sending server, the number of the first message (big-endian), and then for each message the
/// lengths of its channel (2 bytes) and payload (4 bytes), the channel, and the payload. Without messages it says which
/// number the next one will have, for those that wait for another.
struct RedisMessages: Equatable {
    typealias Message = (channel: [UInt8], payload: [UInt8])

    static let originSize = 16
    private static let magic = Array("EVB1".utf8)
    static let headSize = 4 + originSize + 8
    /// In the place of a number, without messages: a process of the server has ended, and what it had may be lost.
    static let unknown: UInt64 = 0

    let origin: [UInt8]
    let first: UInt64
    let messages: [Message]

    static func == (left: RedisMessages, right: RedisMessages) -> Bool {
        left.origin == right.origin && left.first == right.first
            && left.messages.elementsEqual(right.messages) { $0.channel == $1.channel && $0.payload == $1.payload }
    }

    init(origin: [UInt8], first: UInt64, messages: [Message]) {
        self.origin = origin
        self.first = first
        self.messages = messages
    }

    /// Nil if this is something else.
    init?(_ bytes: [UInt8]) {
        guard bytes.count >= Self.headSize, bytes.starts(with: Self.magic) else { return nil }
        origin = Array(bytes[4..<4 + Self.originSize])
        var rest = bytes[(4 + Self.originSize)...]
        guard let first = Self.number(&rest, 8) else { return nil }
        self.first = first
        var messages: [Message] = []
        while !rest.isEmpty {
            guard let channelCount = Self.number(&rest, 2), let payloadCount = Self.number(&rest, 4),
                let channel = Self.bytes(&rest, channelCount), let payload = Self.bytes(&rest, payloadCount),
                !channel.isEmpty
            else { return nil }
            messages.append((channel, payload))
        }
        self.messages = messages
    }

    var bytes: [UInt8] {
        var bytes = Self.magic + origin
        Self.append(first, 8, to: &bytes)
        for (channel, payload) in messages {
            Self.append(UInt64(channel.count), 2, to: &bytes)
            Self.append(UInt64(payload.count), 4, to: &bytes)
            bytes += channel
            bytes += payload
        }
        return bytes
    }

    /// How many bytes a message takes.
    static func size(_ message: BusMessage) -> Int { 6 + message.channel.count + message.payload.count }

    private static func number(_ rest: inout ArraySlice<UInt8>, _ count: Int) -> UInt64? {
        guard rest.count >= count else { return nil }
        defer { rest = rest.dropFirst(count) }
        return rest.prefix(count).reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func bytes(_ rest: inout ArraySlice<UInt8>, _ count: UInt64) -> [UInt8]? {
        guard count <= UInt64(rest.count) else { return nil }
        defer { rest = rest.dropFirst(Int(count)) }
        return Array(rest.prefix(Int(count)))
    }

    private static func append(_ number: UInt64, _ count: Int, to bytes: inout [UInt8]) {
        for place in stride(from: (count - 1) * 8, through: 0, by: -8) {
            bytes.append(UInt8(truncatingIfNeeded: number >> UInt64(place)))
        }
    }
}

// The newest messages, oldest first, as the bytes that go out. Ids are consecutive: one that does not follow shows
// that messages are missing. A value; it knows no clients and no Redis.

/// One message: a JSON object that begins with its id, `{"id":17,"name":"ann","text":"hi"}`.
struct Message: Equatable, Sendable {
    let id: Int
    let json: [UInt8]

    /// Nil for what does not begin as a message does.
    init?(_ json: [UInt8]) {
        let prefix = Array(#"{"id":"#.utf8)
        guard json.starts(with: prefix), json.last == UInt8(ascii: "}") else { return nil }
        let digits = json[prefix.count...].prefix { $0 != UInt8(ascii: ",") }
        guard let id = Message.id(digits), id > 0 else { return nil }
        self.id = id
        self.json = json
    }

    /// - Parameter fields: the object without its id, `{"name":"ann","text":"hi"}`.
    init(id: Int, fields: [UInt8]) {
        self.id = id
        json = Array("{\"id\":\(id),".utf8) + fields.dropFirst()
    }

    /// Reads 1 to 18 digits, which always fit.
    static func id(_ digits: some Collection<UInt8>) -> Int? {
        guard (1...18).contains(digits.count), digits.allSatisfy((UInt8(ascii: "0")...UInt8(ascii: "9")).contains)
        else { return nil }
        return digits.reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
    }
}

struct History: Sendable {
    static let kept = 1000

    private var messages: [Message] = []
    /// The newest id; 0 when nothing was ever said.
    private(set) var last = 0

    init(_ messages: [Message] = []) {
        self.messages = messages.suffix(Self.kept)
        last = messages.last?.id ?? 0
    }

    /// Whether this cannot be what became of `earlier`: ids have begun anew, or mean other messages.
    func contradicts(_ earlier: History) -> Bool {
        guard let newest = earlier.messages.last else { return false }
        return last < newest.id || messages.contains { $0.id == newest.id && $0 != newest }
    }

    enum Place { case next, known, beyondGap }

    /// Where a message belongs. Only one that comes next is taken.
    mutating func append(_ message: Message) -> Place {
        guard message.id > last else { return .known }
        guard message.id == last + 1 else { return .beyondGap }
        last = message.id
        messages.append(message)
        if messages.count > Self.kept { messages.removeFirst() }
        return .next
    }

    /// The messages with greater ids, oldest first.
    func after(_ id: Int, atMost limit: Int) -> ArraySlice<Message> {
        let start = messages.lastIndex { $0.id <= id }.map { $0 + 1 } ?? 0
        return messages[start...].prefix(limit)
    }

    func newest(_ count: Int) -> ArraySlice<Message> { messages.suffix(count) }
}

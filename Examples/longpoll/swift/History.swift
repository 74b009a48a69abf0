// The newest messages, oldest first, as the bytes that are sent. Ids are consecutive: a gap between two ids shows that
// messages are missing. A value that knows neither clients nor files.

/// One message: a JSON object that begins with its id, `{"id":17,"name":"ann","text":"hi"}`.
struct Message: Equatable, Sendable {
    let id: Int
    let json: [UInt8]

    /// Nil if the bytes do not begin like a message.
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
    /// The newest id; 0 if there has been no message.
    private(set) var last = 0

    init(_ messages: [Message] = []) {
        self.messages = messages.suffix(Self.kept)
        last = messages.last?.id ?? 0
    }

    /// Returns true if this cannot be a later state of `earlier`: ids have started again, or belong to other messages.
    func contradicts(_ earlier: History) -> Bool {
        guard let newest = earlier.messages.last else { return false }
        return last < newest.id || messages.contains { $0.id == newest.id && $0 != newest }
    }

    /// These messages and those that follow, as far as their ids do.
    func followed(by others: [Message]) -> History {
        var all = messages
        for message in others where message.id > all.last?.id ?? 0 { all.append(message) }
        return History(all)
    }

    /// The messages with greater ids, oldest first.
    func after(_ id: Int, atMost limit: Int) -> ArraySlice<Message> {
        let start = messages.lastIndex { $0.id <= id }.map { $0 + 1 } ?? 0
        return messages[start...].prefix(limit)
    }

    func newest(_ count: Int) -> ArraySlice<Message> { messages.suffix(count) }
}

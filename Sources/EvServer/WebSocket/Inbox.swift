// Messages that have come and wait for the app, in order.

/// One that waits alone, as most do, needs no room beside its own bytes.
struct Inbox {
    private var first: WebSocketConnection.Message?
    private var behind: [WebSocketConnection.Message] = []
    /// Of `behind`, how many have been taken.
    private var taken = 0
    /// Of all that wait, and `messageCost` for each.
    private(set) var bytes = 0

    /// Beside the bytes of its own, a message counts as so many: a client cannot fill the memory with empty ones.
    private static let messageCost = 64

    var count: Int { first == nil ? 0 : 1 + behind.count - taken }
    var isEmpty: Bool { first == nil }

    mutating func append(_ message: WebSocketConnection.Message) {
        bytes += message.bytes.count + Self.messageCost
        if first == nil { first = message } else { behind.append(message) }
    }

    mutating func next() -> WebSocketConnection.Message? {
        guard let message = first else { return nil }
        bytes -= message.bytes.count + Self.messageCost
        if taken < behind.count {
            first = behind[taken]
            taken += 1
            // What has been taken is let go of, but not one by one.
            if taken == behind.count { (behind, taken) = ([], 0) } else if taken >= 64 { forgetTaken() }
        } else {
            first = nil
        }
        return message
    }

    private mutating func forgetTaken() {
        behind.removeFirst(taken)
        taken = 0
    }
}

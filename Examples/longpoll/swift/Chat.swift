// One room: the messages, and the clients that wait for more. Everything here runs on the worker's loop, so it needs no
// lock. A client that waits is parked: it costs its connection and a small record, and no task.
import EvGateway

@LoopActor
final class Chat {
    /// The most messages in one answer, and in the first answer that a client gets.
    private static let (most, first) = (100, 20)

    private(set) var history = History()
    /// Announced when there are new messages, when the history was replaced, and when the worker leaves.
    private let news = LoopCondition()
    private let hold: Duration
    private let redis: RedisChat?
    /// False until the history has come from Redis for the first time.
    private var isFilled: Bool
    private var isLeaving = false
    /// How often the ids have started again, because Redis lost its data.
    private var era = 0
    /// The latest answer. Clients that are woken together get the same bytes, which are made once.
    private var shared: (after: Int, last: Int, response: Response)?

    /// - Parameter hold: how long a client waits at most.
    init(hold: Duration, redis: RedisChat?) {
        self.hold = hold
        self.redis = redis
        isFilled = redis == nil
    }

    /// Makes the room of this worker. It has read the history if Redis can be reached, and answers all waiting clients
    /// when the worker leaves.
    static func open(_ settings: Settings) async -> Chat {
        let redis = settings.redis.map { RedisChat($0) }
        let chat = Chat(hold: settings.hold, redis: redis)
        Gateway.onLeave { chat.leave() }
        await redis?.follow(chat)
        return chat
    }

    // MARK: publishing

    /// - Parameter fields: the message without its id, `{"name":"ann","text":"hi"}`.
    /// - Returns: its id.
    func publish(_ fields: [UInt8]) async throws -> Int {
        guard let redis else {
            let message = Message(id: history.last + 1, fields: fields)
            _ = take(message)
            return message.id
        }
        let id = try await redis.publish(fields)
        // Every worker gets the message from its subscription. This one takes it at once, before its client asks again.
        if !take(Message(id: id, fields: fields)) { await hear(of: id) }
        return id
    }

    /// Waits until the messages before `id` have arrived, which other workers published a moment earlier.
    private func hear(of id: Int) async {
        while history.last < id, (try? await news.wait(atMost: .seconds(1))) == true {}
    }

    /// Takes a message that was published. Returns false if messages before it are missing.
    func take(_ message: Message) -> Bool {
        switch history.append(message) {
        case .next: news.notifyAll()
        case .known: break
        case .beyondGap: return false
        }
        return true
    }

    /// Replaces the history by that in Redis.
    func fill(_ messages: [Message]) {
        let filled = History(messages)
        let isOther = filled.contradicts(history)
        if isOther { era += 1 }
        guard isOther || !isFilled || filled.last != history.last else { return }
        let isWorthALook = !isFilled || filled.last > 0
        history = filled
        isFilled = true
        shared = nil
        if isWorthALook { news.notifyAll() }
    }

    /// Called when the worker leaves: answers all clients that wait. They ask again and get another worker.
    func leave() {
        isLeaving = true
        redis?.unfollow()
        news.notifyAll()
    }

    var isWell: Bool { redis?.isSubscribed ?? true }

    // MARK: waiting

    /// The newest messages, for a client that has seen none.
    func newest() -> Response {
        if isFilled || isLeaving { return latest() }
        return Response(waitingFor: news, atMost: hold) { _ in self.latest() }
    }

    private func latest() -> Response { answer(history.newest(Self.first)) }

    /// Answers with the messages after `id`, at once or as soon as there are any. Returns nil if the id is above the
    /// newest one here, so that Redis must be asked.
    func messages(after id: Int) -> Response? {
        if isFilled, id > history.last {
            // The id is from before the ids started again, or from a worker that got the message a moment earlier.
            guard redis == nil else { return nil }
            return fromTheStart
        }
        return known(after: id) ?? wait(after: id, until: LoopClock().now.advanced(by: hold))
    }

    /// The same for an id above the newest one here: asks Redis whether it exists.
    func messages(afterUnknown id: Int) async -> Response {
        if let last = try? await redis?.last(), id > last { return fromTheStart }
        return known(after: id) ?? wait(after: id, until: LoopClock().now.advanced(by: hold))
    }

    private var fromTheStart: Response { answer(history.after(0, atMost: Self.most)) }

    private func wait(after id: Int, until deadline: LoopClock.Instant) -> Response {
        guard !isLeaving else { return nothing(after: id) }
        let era = era
        return Response(waitingFor: news, atMost: LoopClock().now.duration(to: deadline)) { came in
            self.wake(after: id, came, until: deadline, since: era)
        }
    }

    private func wake(after id: Int, _ came: Bool, until deadline: LoopClock.Instant, since era: Int) -> Response {
        if era != self.era { return fromTheStart }
        return known(after: id) ?? (came ? wait(after: id, until: deadline) : nothing(after: id))
    }

    private func known(after id: Int) -> Response? {
        if let shared, shared.after == id, shared.last == history.last { return shared.response }
        let messages = history.after(id, atMost: Self.most)
        guard !messages.isEmpty else { return nil }
        let response = answer(messages)
        shared = (id, history.last, response)
        return response
    }

    private func nothing(after id: Int) -> Response {
        .json(#"{"last": \#(max(id, history.last)), "messages": []}"#)
    }

    private func answer(_ messages: ArraySlice<Message>) -> Response {
        var body = Array(#"{"last": \#(messages.last?.id ?? history.last), "messages": ["#.utf8)
        for message in messages {
            if body.last == UInt8(ascii: "}") { body += ", ".utf8 }
            body += message.json
        }
        body += "]}".utf8
        return .json(bytes: body)
    }
}

// One room: what was said, and who waits for more. All of it lives on the worker's loop, so nothing here needs a lock.
// A client that waits is parked: it costs its connection and a small record, and no task.
import EvGateway

@LoopActor
final class Chat {
    /// Messages in one answer, and in the first one that a client gets.
    private static let (most, first) = (100, 20)

    private(set) var history = History()
    /// Announced when there is something to look at: messages, another history, or the worker leaves.
    private let news = LoopCondition()
    private let hold: Duration
    private let redis: RedisChat?
    /// False until the history has come from Redis for the first time.
    private var isFilled: Bool
    private var isLeaving = false
    /// How often the ids have begun anew, because Redis lost what it had.
    private var era = 0
    /// The latest answer: those who are woken together get the same bytes, put together once.
    private var shared: (after: Int, last: Int, response: Response)?

    /// - Parameter hold: how long a client waits at most.
    init(hold: Duration, redis: RedisChat?) {
        self.hold = hold
        self.redis = redis
        isFilled = redis == nil
    }

    /// The room of this worker, up to date with Redis if that can be reached, and emptied when the worker leaves.
    static func open(_ settings: Settings) async -> Chat {
        let redis = settings.redis.map { RedisChat($0) }
        let chat = Chat(hold: settings.hold, redis: redis)
        Gateway.onLeave { chat.leave() }
        await redis?.follow(chat)
        return chat
    }

    // MARK: what is said

    /// - Parameter fields: the message without its id, `{"name":"ann","text":"hi"}`.
    /// - Returns: its id.
    func publish(_ fields: [UInt8]) async throws -> Int {
        guard let redis else {
            let message = Message(id: history.last + 1, fields: fields)
            _ = take(message)
            return message.id
        }
        let id = try await redis.publish(fields)
        // The subscription tells every worker. This one knows it before its client asks again.
        if !take(Message(id: id, fields: fields)) { await hear(of: id) }
        return id
    }

    /// Others have spoken just before, and their words are on their way.
    private func hear(of id: Int) async {
        while history.last < id, (try? await news.wait(atMost: .seconds(1))) == true {}
    }

    /// Takes a message that was published. False when others are missing before it.
    func take(_ message: Message) -> Bool {
        switch history.append(message) {
        case .next: news.notifyAll()
        case .known: break
        case .beyondGap: return false
        }
        return true
    }

    /// Takes the history that Redis keeps for the one that was known.
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

    /// The worker leaves: whoever waits is answered now and asks the next one.
    func leave() {
        isLeaving = true
        redis?.unfollow()
        news.notifyAll()
    }

    var isWell: Bool { redis?.isSubscribed ?? true }

    // MARK: who listens

    /// The newest messages, for a client that knows nothing yet.
    func newest() -> Response {
        if isFilled || isLeaving { return latest() }
        return Response(waitingFor: news, atMost: hold) { _ in self.latest() }
    }

    private func latest() -> Response { answer(history.newest(Self.first)) }

    /// What follows `id`, at once or as soon as it comes; nil when this worker cannot know.
    func messages(after id: Int) -> Response? {
        if isFilled, id > history.last {
            // From before the ids began anew, or from a worker that hears Redis a moment earlier.
            guard redis == nil else { return nil }
            return fromTheStart
        }
        return known(after: id) ?? wait(after: id, until: LoopClock().now.advanced(by: hold))
    }

    /// The same for an id that is unknown here.
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

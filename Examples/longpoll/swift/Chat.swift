// One room: the messages, and the clients that wait for more. Everything here runs on the worker's loop, so it needs no
// lock. A client that waits is parked: it costs its connection and a small record, and no task. With several workers a
// file keeps the messages, and the bus tells of new ones.
import EvGateway

@LoopActor
final class Chat {
    /// The most messages in one answer, and in the first answer that a client gets.
    private static let (most, first) = (100, 20)
    private static let channel = "chat"

    private(set) var history = History()
    /// Announced when there are new messages, when the history was replaced, and when the worker leaves.
    private let news = LoopCondition()
    private let hold: Duration
    private let file: SharedFile?
    /// Tells of messages that other workers have written.
    private var following: BusCallback?
    private var isLeaving = false
    /// How often the ids have started again, because the file was lost.
    private var era = 0
    /// The latest answer. Clients that are woken together get the same bytes, which are made once.
    private var shared: (after: Int, last: Int, response: Response)?

    /// - Parameter hold: how long a client waits at most.
    init(hold: Duration, file: SharedFile?) {
        self.hold = hold
        self.file = file
    }

    /// Makes the room of this worker. It has read the history, and answers all waiting clients when the worker leaves.
    static func open(_ settings: Settings) throws -> Chat {
        let chat = Chat(hold: settings.hold, file: settings.file.map { SharedFile($0) })
        Gateway.onLeave { chat.leave() }
        guard chat.file != nil else { return chat }
        // What is written while the file is read for the first time is not missed.
        chat.following = try Gateway.bus.subscribe(to: channel) { [weak chat] _ in chat?.hear() }
        chat.hear()
        return chat
    }

    // MARK: publishing

    /// - Parameter fields: the message without its id, `{"name":"ann","text":"hi"}`.
    /// - Returns: its id.
    func publish(_ fields: [UInt8]) throws -> Int {
        guard let file else {
            let message = Message(id: history.last + 1, fields: fields)
            take(SharedFile.News(messages: [message]))
            return message.id
        }
        let message = try file.append { () throws(FileError) in
            take(try file.read())
            return (Message(id: history.last + 1, fields: fields), Array(history.newest(History.kept)))
        }
        take(try file.read())
        try Gateway.bus.publish([], to: Self.channel)
        return message.id
    }

    /// Takes what others have written.
    private func hear() {
        do {
            if let file { take(try file.read()) }
        } catch {
            Gateway.logger.warning("The messages cannot be read: \(error)")
        }
    }

    private func take(_ news: SharedFile.News) {
        guard news.isAll || !news.messages.isEmpty else { return }
        let taken = news.isAll ? History(news.messages) : history.followed(by: news.messages)
        if taken.contradicts(history) { era += 1 }
        history = taken
        shared = nil
        self.news.notifyAll()
    }

    /// Called when the worker leaves: answers all clients that wait. They ask again and get another worker.
    func leave() {
        isLeaving = true
        following?.close()
        news.notifyAll()
    }

    // MARK: waiting

    /// The newest messages, for a client that has seen none.
    func newest() -> Response { answer(history.newest(Self.first)) }

    /// Answers with the messages after `id`, at once or as soon as there are any.
    func messages(after id: Int) -> Response {
        // The id is from a worker that has read a message a moment earlier, or from before the ids started again.
        if id > history.last { hear() }
        if id > history.last { return fromTheStart }
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

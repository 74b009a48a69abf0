// The messages, and the clients that wait for more. Everything here runs on the worker's loop, so it needs no lock.
// Every worker process has a chat of its own: a real one would publish through a database or a broker.
import EvGateway

@LoopActor
final class Chat {
    struct Message: Sendable {
        let id: Int
        let text: String
    }

    private static let kept = 1000

    private var messages: [Message] = []
    private var lastID = 0
    /// Announced with each message.
    let news = LoopCondition()

    nonisolated init() {}

    /// The number of clients that wait now.
    var waiting: Int { news.count }

    func publish(_ text: String) -> Int {
        lastID += 1
        messages.append(Message(id: lastID, text: text))
        if messages.count > Self.kept { messages.removeFirst() }
        news.notifyAll()
        return lastID
    }

    func messages(after id: Int) -> [Message] { messages.filter { $0.id > id } }
}

// Who is in the room, and what was said last. Everything here runs on the worker's loop, so it needs no lock. Every
// worker process has a room of its own: run one worker, or let the sockets join a channel, as Examples/websocket-echo
// does.
import EvGateway

/// The first message of a client is its name, all others are what it says. To clients go `said`, `came` and `left`,
/// each followed by a name, and `said` by a text, with line ends between them.
@LoopActor
final class Room {
    private static let kept = 20
    private static let longestText = 2000

    private let members = WebSocketGroup()
    /// What was said last.
    private var history: [WebSocketMessage] = []

    nonisolated init() {}

    func serve(_ socket: WebSocket) async throws {
        var messages = socket.makeAsyncIterator()
        guard let name = Self.text(try await messages.next(), upTo: 40), !name.contains(where: \.isNewline) else {
            return socket.close(code: .policyViolation, reason: "A short name comes first")
        }
        // No await from here to the insertion: the client misses nothing that is said meanwhile.
        for message in history { _ = socket.sendNow(message) }
        members.insert(socket)
        members.send(.text("came\n\(name)"))
        // However it ends: the client closes, its connection is lost, or the worker leaves.
        defer { members.send(.text("left\n\(name)")) }

        while let message = try await messages.next() {
            guard let text = Self.text(message, upTo: Self.longestText) else {
                return socket.close(code: .policyViolation, reason: "Not a text, or a long one")
            }
            say(.text("said\n\(name)\n\(text)"))
        }
    }

    private func say(_ message: WebSocketMessage) {
        history.append(message)
        if history.count > Self.kept { history.removeFirst() }
        // One frame for all. A member that takes too little is sent away, and its page connects again.
        members.send(message)
    }

    /// Nil for bytes, for an empty text, and for one of more bytes.
    private static func text(_ message: WebSocketMessage?, upTo limit: Int) -> String? {
        guard case .text(let text) = message, (1...limit).contains(text.utf8.count) else { return nil }
        return text
    }
}

// What was said, and who waits for more. All of it lives on the worker's loop, so nothing here needs a lock.
// Every worker process has a chat of its own: a real one would publish through a database or a broker.
import EvGateway

@LoopActor
final class Chat {
    struct Message: Sendable {
        let id: Int
        let text: String
    }

    private struct Waiter {
        let continuation: CheckedContinuation<Void, Never>
        let deadline: LoopClock.Instant
    }

    private static let kept = 1000

    private var messages: [Message] = []
    private var lastID = 0
    private var waiters: [Int: Waiter] = [:]
    private var lastWaiter = 0
    private var endsOverdueWaits = false

    nonisolated init() {}

    /// How many clients wait now.
    var waiting: Int { waiters.count }

    func publish(_ text: String) -> Int {
        lastID += 1
        messages.append(Message(id: lastID, text: text))
        if messages.count > Self.kept { messages.removeFirst() }
        for waiter in waiters.keys { wake(waiter) }
        return lastID
    }

    /// The messages after `id`, as soon as there is one; none when `limit` has passed.
    ///
    /// - Throws: `CancellationError` when the client is gone.
    func messages(after id: Int, waiting limit: Duration) async throws -> [Message] {
        if lastID <= id {
            lastWaiter += 1
            let waiter = lastWaiter
            let deadline = LoopClock().now.advanced(by: limit)
            endOverdueWaits()
            await withTaskCancellationHandler {
                await withCheckedContinuation { waiters[waiter] = Waiter(continuation: $0, deadline: deadline) }
            } onCancel: {
                Task(executorPreference: LoopActor.taskExecutor) { @LoopActor in self.wake(waiter) }
            }
            try Task.checkCancellation()
        }
        return messages.filter { $0.id > id }
    }

    private func wake(_ waiter: Int) {
        waiters.removeValue(forKey: waiter)?.continuation.resume()
    }

    /// One task looks after all deadlines, so that a client that waits costs its request and no more.
    private func endOverdueWaits() {
        guard !endsOverdueWaits else { return }
        endsOverdueWaits = true
        Task(executorPreference: LoopActor.taskExecutor) { @LoopActor [self] in
            while !waiters.isEmpty {
                try? await Task.sleep(for: .milliseconds(100), clock: .loop)
                let now = LoopClock().now
                for (id, waiter) in waiters where waiter.deadline <= now { wake(id) }
            }
            endsOverdueWaits = false
        }
    }
}

extension Chat.Message {
    var json: String { "{\"id\": \(id), \"text\": \"\(text.jsonEscaped)\"}" }
}

extension String {
    /// RFC 8259, section 7.
    fileprivate var jsonEscaped: String {
        var escaped = ""
        for scalar in unicodeScalars {
            switch scalar {
            case "\"", "\\":
                escaped += "\\\(scalar)"
            case "\n":
                escaped += "\\n"
            case "\u{0}"..<"\u{20}":
                let digits = String(scalar.value, radix: 16)
                escaped += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default:
                escaped.unicodeScalars.append(scalar)
            }
        }
        return escaped
    }
}

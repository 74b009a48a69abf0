// How Swift apps take what comes on a WebSocket: in tasks that wait, or in calls on the loop. Law: what is called here
// never runs inside another call of an app's, so that one that sends to many sockets sees none of them end meanwhile.

package import EvLoop

/// An app that holds no task for its socket.
@LoopActor
package protocol WebSocketReceiver: AnyObject {
    func received(_ message: WebSocketConnection.Message, on socket: WebSocketConnection)
    /// The socket has ended for good. Called once, after the last message.
    func ended(_ socket: WebSocketConnection)
}

/// Tasks that wait for a socket. Each event wakes all of them, and each looks itself whether it may go on.
@LoopActor
final class WaitingTasks {
    /// Somebody reads, and so will learn of the end.
    var hasReader = false
    var sleepers: [UnsafeContinuation<Void, Never>] = []
}

extension WebSocketConnection {
    // MARK: in tasks

    /// The next message, if it is there already.
    package func waitingMessage() -> Message? {
        if case .message(let message) = next() { message } else { nil }
    }

    /// The next message; nil when either side has closed the socket.
    /// - Throws: `CancellationError` when the client is lost or the task is cancelled.
    package func nextMessage() async throws -> Message? {
        ownTasks.hasReader = true
        while true {
            switch next() {
            case .message(let message): return message
            case .closed:
                if isLost { throw CancellationError() }
                return nil
            case .wait: try await sleep()
            }
        }
    }

    /// Waits until the client has taken enough of what was sent, or the socket closes.
    /// - Throws: `CancellationError` when the client is lost or the task is cancelled.
    package func drained() async throws {
        while phase == .open, !isDrained { try await sleep() }
        if isLost { throw CancellationError() }
    }

    private func sleep() async throws {
        try Task.checkCancellation()
        await withTaskCancellationHandler {
            await withUnsafeContinuation { ownTasks.sleepers.append($0) }
        } onCancel: {
            LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.wakeTasks() } }
        }
        try Task.checkCancellation()
    }

    private var ownTasks: WaitingTasks {
        if let tasks { return tasks }
        let made = WaitingTasks()
        tasks = made
        return made
    }

    func wakeTasks() {
        guard let tasks, !tasks.sleepers.isEmpty else { return }
        let woken = tasks.sleepers
        tasks.sleepers.removeAll(keepingCapacity: true)
        for sleeper in woken { sleeper.resume() }
    }

    /// An app that only sends is not told of the end by what it reads.
    func cancelUnlessRead() {
        if tasks?.hasReader != true { request?.cancelTask() }
    }

    // MARK: in calls

    /// Calls `receiver` with each message from now on, those first that have come already.
    package func receive(_ receiver: any WebSocketReceiver) {
        self.receiver = receiver
        request?.forgetFields()
        deliver()
    }

    /// Messages wait while the client does not take the answers to earlier ones.
    func deliver() {
        guard let receiver, !isDelivering else { return }
        isDelivering = true
        defer { isDelivering = false }
        while phase != .open || !isBehind {
            switch next() {
            case .message(let message):
                receiver.received(message, on: self)
            case .closed where phase == .over:
                self.receiver = nil
                return receiver.ended(self)
            case .closed, .wait:
                return
            }
        }
    }

    // MARK: both

    func tellReaders() {
        wakeTasks()
        if phase == .open { deliver() }
    }

    func tellOfEnd() {
        wakeTasks()
        leaveGroups()
        if receiver != nil { LoopExecutor.shared.later { self.deliver() } }
    }
}

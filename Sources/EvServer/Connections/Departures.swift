// Whether a client that has sent a FIN has left, or has only closed its sending side and still waits for its answer.
// TCP says the same in both cases until something is sent: a socket that is closed then answers with a reset. So a
// client that may be sent an interim response is sent one, `100 Continue`, which a client parses even when it expects
// none (RFC 9110 section 15.2). Of a unix socket the kernel tells a close and a half-close apart without that.

import EvLoop
import HTTPCore

@LoopActor
final class Departures {
    /// Seconds from the FIN to the question; an answer that is ready by then makes it needless.
    static let delay = 0.025

    private struct Entry {
        unowned(unsafe) let connection: HTTP1Connection
        let due: Double
        var isAsked = false
    }
    private var entries: [Int32: Entry] = [:]
    /// Descriptors in the order in which they are due, those that have been forgotten too.
    private var queue: [Int32] = []
    private var hangups: HangupWatcher?
    private var timer: TimerWatcher?

    init(_ loop: EventLoop) {
        // Without a descriptor for it, clients count as gone after their grace, or when something is written.
        hangups = try? HangupWatcher(loop) { [unowned self] descriptor in self.hungUp(descriptor) }
        timer = TimerWatcher(loop) { [unowned self] in self.ask() }
    }

    /// A client with a request that is not answered yet has sent a FIN.
    func watch(_ connection: HTTP1Connection) {
        let descriptor = connection.transport.fileDescriptor
        guard entries[descriptor] == nil, hangups?.add(descriptor) == true else { return }
        let mayAsk = connection.mayBeAskedForItsClient
        entries[descriptor] = Entry(
            connection: connection, due: EventLoop.monotonicNow() + Self.delay, isAsked: !mayAsk)
        guard mayAsk else { return }
        queue.append(descriptor)
        if queue.count == 1 { timer?.start(after: Self.delay) }
    }

    /// To be called before the connection's descriptor is closed.
    func forget(_ connection: Connection) {
        let descriptor = connection.transport.fileDescriptor
        guard entries.removeValue(forKey: descriptor) != nil else { return }
        hangups?.remove(descriptor)
    }

    private func hungUp(_ descriptor: Int32) {
        guard let connection = entries[descriptor]?.connection else { return }
        // The last reference may go with the close.
        withExtendedLifetime(connection) { connection.gone() }
    }

    private func ask() {
        let now = EventLoop.monotonicNow()
        var asked = 0
        for descriptor in queue {
            if let entry = entries[descriptor], !entry.isAsked {
                guard entry.due <= now else { break }
                entries[descriptor]?.isAsked = true
                withExtendedLifetime(entry.connection) { entry.connection.askWhetherClientIsThere() }
            }
            asked += 1
        }
        queue.removeFirst(asked)
        if let due = queue.first.flatMap({ entries[$0]?.due }) { timer?.start(after: max(due - now, 0.001)) }
    }
}

extension HTTP1Connection {
    fileprivate func askWhetherClientIsThere() {
        // What waits to be sent asks the same.
        guard mayBeAskedForItsClient, output.isEmpty else { return }
        sendContinue()
    }

    /// A long poll whose exchange is gone is a request as others are: its body is complete, and nothing has left.
    fileprivate var mayBeAskedForItsClient: Bool {
        if let kept { return kept.head.isHTTP11 && !kept.hasBegun && !listener.socket.isUnix }
        return exchange?.mayBeAskedForItsClient == true
    }
}

extension Exchange {
    /// No interim response goes to HTTP/1.0 (RFC 9110 section 15.2), and none goes out when the final one has begun. A
    /// body that was cut short ends the request by itself.
    fileprivate var mayBeAskedForItsClient: Bool {
        head.version == .http11 && !headWasSent && isBodyComplete && !local.isUnix
    }
}

// Accepting, and the reasons not to: the cap on connections, no descriptors left, a worker with more than its share,
// and leaving. A reason pauses the listeners; the event that ends the reason, or a short timer, starts them again.

import EvLoop
import Glibc
import Logging

@LoopActor
final class Acceptor {
    private unowned let worker: Worker
    private let listeners: [Listener]
    private let siblings: [ScoreboardSlot]
    private var watchers: [IOWatcher] = []
    private var pauseTimer: TimerWatcher?
    private var pause: Pause?
    private var isStopped = false
    private var isQueueEmpty = false
    private var reportedDescriptorsAt = -Double.infinity
    /// Connections to take although this worker has more than its share, because nobody else took them.
    private var allowance = 0

    private enum Pause { case full, outOfDescriptors, ahead }

    /// Connections accepted in one callback, so that a flood cannot keep the open ones waiting.
    private static let batch = 64
    /// How long a worker that is ahead leaves new connections to the others, in seconds.
    private static let aheadPause = 0.005
    private static let descriptorPause = 0.25
    /// Seconds between two log lines about descriptors.
    private static let reportInterval = 10.0
    /// A sibling that has not beaten for so many seconds takes no part in the balance.
    private static let staleness = 2.5

    init(_ worker: Worker, listeners: [ListeningSocket], siblings: [ScoreboardSlot]) {
        self.worker = worker
        self.listeners = listeners.map(Listener.init)
        self.siblings = siblings
    }

    func start() {
        watchers = listeners.map { listener in
            // An inherited socket may still block, and accept would then hold up the loop.
            _ = Socket.setNonBlocking(listener.socket.fileDescriptor)
            return IOWatcher(worker.loop, fileDescriptor: listener.socket.fileDescriptor, events: .read) {
                [unowned self] _ in
                self.accept(from: listener)
            }
        }
        pauseTimer = TimerWatcher(worker.loop) { [unowned self] in self.pauseTimerFired() }
        resume()
    }

    /// Stops for good. The worker's own copies of the sockets are closed: one that nobody accepts from must not
    /// go on completing handshakes.
    func stop() {
        guard !isStopped else { return }
        isStopped = true
        pauseTimer?.stop()
        watchers.forEach { $0.stop() }
        watchers = []
        for listener in listeners { Socket.close(listener.socket.fileDescriptor) }
        worker.slot.isAccepting = false
    }

    /// Takes what already waits in the queues, for its clients have connected, and stops.
    func drainAndStop() {
        guard !isStopped else { return }
        pause = nil
        for listener in listeners {
            // A queue that is refilled as fast as it is emptied must not keep the worker from leaving.
            isQueueEmpty = false
            for _ in 0..<Self.batch where pause == nil && !isQueueEmpty { accept(from: listener) }
        }
        stop()
    }

    func connectionClosed() {
        if pause == .full || pause == .outOfDescriptors { resume() }
    }

    private func resume() {
        guard !isStopped else { return }
        pause = nil
        pauseTimer?.stop()
        watchers.forEach { $0.start() }
        worker.slot.isAccepting = true
    }

    private func pause(_ reason: Pause, seconds: Double?) {
        pause = reason
        watchers.forEach { $0.stop() }
        worker.slot.isAccepting = reason == .ahead
        if let seconds { pauseTimer?.start(after: seconds) }
    }

    private func pauseTimerFired() {
        // Whatever still waits after the pause was left by the others as well, so some of it is taken here.
        if pause == .ahead { allowance = 4 }
        resume()
    }

    private func accept(from listener: Listener) {
        for _ in 0..<Self.batch {
            if worker.openConnections >= worker.configuration.connections {
                // Room is made only for somebody who waits.
                guard Socket.waitBlocking(listener.socket.fileDescriptor, for: .read, seconds: 0) else { return }
                guard worker.evictIdleConnection() else { return pause(.full, seconds: nil) }
            }
            if isAhead {
                guard allowance > 0 else { return pause(.ahead, seconds: Self.aheadPause) }
                allowance -= 1
            }
            var peer = PeerAddress()
            let accepted = Socket.accept(listener.socket.fileDescriptor, peer: &peer)
            if accepted >= 0 {
                isQueueEmpty = false
                worker.open(accepted, peer, listener)
            } else if accepted == -EAGAIN {
                isQueueEmpty = true
                return
            } else if SocketError.isOutOfDescriptors(accepted) {
                let now = EventLoop.coarseNow()
                if now - reportedDescriptorsAt > Self.reportInterval {
                    reportedDescriptorsAt = now
                    worker.logger.error(
                        "Out of descriptors or socket memory: not accepting for now",
                        metadata: ["error": "\(SystemError.message(-accepted))", "open": "\(worker.openConnections)"])
                }
                if worker.evictIdleConnection() { continue }
                return pause(.outOfDescriptors, seconds: Self.descriptorPause)
            } else if !SocketError.isTransientAccept(accepted) {
                worker.loop.onCheck?()
                worker.logger.error("accept failed", metadata: ["error": "\(SystemError.message(-accepted))"])
                return pause(.outOfDescriptors, seconds: Self.descriptorPause)
            }
        }
    }

    /// Whether this worker holds more connections than the mean of the siblings that accept, by more than a margin.
    /// Long-lived connections would make any imbalance of accepting permanent.
    private var isAhead: Bool {
        guard !siblings.isEmpty else { return false }
        let now = EventLoop.coarseNow()
        var sum = 0
        var count = 0
        for sibling in siblings where sibling.isAccepting && now - sibling.heartbeat < Self.staleness {
            sum += Int(sibling.open)
            count += 1
        }
        guard count > 0 else { return false }
        let mean = sum / count
        return worker.openConnections > mean + max(2, mean / 64)
    }
}

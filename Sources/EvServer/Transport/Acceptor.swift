// Accepting, and the reasons not to: the cap on connections, no descriptors left, a worker with more than its share,
// one whose app can run nothing more while a sibling's can, and leaving. A reason pauses the listeners; the event that
// ends the reason, or a short timer, starts them again.
// A connection wakes one worker. Whoever was woken and leaves it to others wakes the next one.
// The last worker to leave takes all that waits, because the kernel resets what is left in the queue of a socket that
// nobody has open any more: beyond the cap, clients wait here for a place.

import EvLoop
import Glibc
import Logging

@LoopActor
final class Acceptor {
    private unowned let worker: Worker
    private let listeners: [Listener]
    private let siblings: [ScoreboardSlot]
    private let passing: Int32
    private var watchers: [IOWatcher] = []
    /// In place of `watchers` once it is connected; nil where nobody else accepts.
    private var exclusive: ExclusiveWatch?
    private var pauseTimer: TimerWatcher?
    private var pause: Pause?
    private var isStopped = false
    private var isQueueEmpty = false
    /// Takes all that waits, and then stops.
    private var isEmptying = false
    /// Accepted while emptying the queues, oldest first; nothing has been read from them.
    private var waiting: [(fileDescriptor: Int32, peer: PeerAddress, listener: Listener)] = []
    /// The first of `waiting` that has not been opened.
    private var nextWaiting = 0
    /// When a client has a higher descriptor, the others wait in the queue and not here.
    private var lastDescriptor = Int32.max
    private var reportedDescriptorsAt = -Double.infinity
    /// Connections to take although this worker has more than its share, because nobody else took them.
    private var allowance = 0

    private enum Pause { case full, outOfDescriptors, ahead }

    /// Descriptors that are left to the app while clients wait for a place.
    private static let spareDescriptors = 64

    /// Connections accepted in one callback, so that a flood cannot keep the open ones waiting.
    private static let batch = 64
    /// How long a worker that is ahead leaves new connections to the others, in seconds.
    private static let aheadPause = 0.005
    private static let descriptorPause = 0.25
    /// Seconds between two log lines about descriptors.
    private static let reportInterval = 10.0

    init(_ worker: Worker, listeners: [ListeningSocket], siblings: [ScoreboardSlot], passing: Int32) {
        self.worker = worker
        self.passing = siblings.isEmpty ? -1 : passing
        self.listeners = listeners.map {
            let isSecure = worker.configuration.secureAddresses.contains($0.address.text)
            return Listener($0, stage: Self.stage(of: $0, isSecure, worker), isSecure: isSecure)
        }
        self.siblings = siblings
    }

    /// As other processes know them.
    var names: [[UInt8]] { listeners.map(\.name) }

    /// That of an address in another process.
    func listener(named name: [UInt8], _ destination: PeerAddress?) -> Listener? {
        guard let listener = listeners.first(where: { $0.name == name }) else { return nil }
        guard let destination else { return listener }
        return worker.proxyHeaders?.listener(like: listener, destination) ?? listener
    }

    /// What is spoken on the connections of a socket at first.
    private static func stage(of socket: ListeningSocket, _ isSecure: Bool, _ worker: Worker) -> Worker.Stage {
        if let spoken = worker.configuration.gatewayProtocols[socket.address.text] {
            return { GatewayConnection($0, $1, $2, $3, spoken) }
        }
        // A PROXY header comes before the handshake.
        guard isSecure, worker.proxyHeaders == nil else { return ProxyHeaders.stage(worker) }
        return TLSHandshake.stage
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
        if !siblings.isEmpty {
            exclusive = ExclusiveWatch(worker.loop, sockets: listeners.map(\.socket.fileDescriptor), passing: passing) {
                [unowned self] in self.woken()
            }
        }
        resume()
    }

    /// Once a second: changes over to the watch that wakes one worker, and back where that has lost its place; and
    /// looks for what a worker that was woken and has died, or was stopped, has left.
    func beat() {
        guard let exclusive, !isStopped, !isEmptying else { return }
        if exclusive.isConnected, exclusive.isIntact { return woken() }
        exclusive.disconnect()
        if exclusive.connect() {
            watchers.forEach { $0.stop() }
            // libev leaves a socket that nobody waits for in the set until its next event.
            for listener in listeners { worker.loop.forget(listener.socket.fileDescriptor) }
        }
        if pause == nil { watch() }
    }

    private func woken() {
        guard pause == nil, !isStopped, !isEmptying else { return }
        let before = worker.openConnections
        for listener in listeners where pause == nil {
            guard Socket.waitBlocking(listener.socket.fileDescriptor, for: .read, seconds: 0) else { continue }
            accept(from: listener)
        }
        if worker.openConnections != before { exclusive?.goLast() }
    }

    private func watch() {
        if let exclusive, exclusive.isConnected { exclusive.enter() } else { watchers.forEach { $0.start() } }
    }

    /// Whoever of the siblings waits is told: a connection that this worker was woken for may wait still.
    private func stopWatching() {
        watchers.forEach { $0.stop() }
        exclusive?.leave()
        ExclusiveWatch.passOn(passing)
    }

    /// Stops for good. The worker's own copies of the sockets are closed: one that nobody accepts from must not
    /// go on completing handshakes. Who waits for a place is let go.
    func stop() {
        for client in waiting[nextWaiting...] { Socket.close(client.fileDescriptor) }
        waiting = []
        nextWaiting = 0
        close()
    }

    private func close() {
        guard !isStopped else { return }
        isStopped = true
        isEmptying = false
        pauseTimer?.stop()
        stopWatching()
        watchers = []
        for listener in listeners { Socket.close(listener.socket.fileDescriptor) }
        worker.slot.isAccepting = false
    }

    /// Takes what already waits in the queues, for its clients have connected, and stops.
    ///
    /// - Parameter all: nobody else accepts from these sockets. What the cap has no room for is opened as others close;
    ///   where descriptors run out, the rest of a queue is taken later.
    func drainAndStop(all: Bool) {
        guard !isStopped else { return }
        isEmptying = all
        let limit = DescriptorLimit.current.soft
        lastDescriptor = Int32(clamping: max(limit - Self.spareDescriptors, limit / 2))
        stopWatching()
        worker.slot.isAccepting = false
        takeQueues()
        if !all { close() }
    }

    /// Closes the listeners when all queues were empty.
    private func takeQueues() {
        pause = nil
        for listener in listeners {
            // A queue that is refilled as fast as it is emptied must not keep the worker from leaving.
            isQueueEmpty = false
            for _ in 0..<Self.batch where pause == nil && !isQueueEmpty { accept(from: listener) }
        }
        if pause == nil { close() }
    }

    /// Clients may wait for a place.
    var isFull: Bool { pause == .full }

    /// Everybody who has connected has been opened, and nobody else will be.
    var isDone: Bool { isStopped && waiting.isEmpty }

    /// There is no time left for anybody: who waits is opened to be refused.
    func refuseWaiting() {
        openWaiting()
        if isEmptying { takeQueues() }
    }

    /// Those that have their answer and are only being closed do not count.
    private var hasPlace: Bool {
        worker.openConnections - worker.lingeringConnections < worker.configuration.connections || worker.isRefusing
    }

    private var hasSparePlace: Bool {
        worker.openConnections < worker.configuration.connections + worker.spareConnections
    }

    private func openWaiting() {
        while nextWaiting < waiting.count, hasPlace {
            let client = waiting[nextWaiting]
            nextWaiting += 1
            worker.open(client.fileDescriptor, client.peer, client.listener)
        }
        guard nextWaiting == waiting.count else { return }
        waiting = []
        nextWaiting = 0
    }

    /// A connection has its answer and is only being closed.
    func connectionLingers() {
        guard isEmptying || nextWaiting < waiting.count else { return }
        connectionClosed()
    }

    func connectionClosed() {
        openWaiting()
        if pause == .full || pause == .outOfDescriptors { resume() }
    }

    private func resume() {
        guard !isStopped else { return }
        pauseTimer?.stop()
        if isEmptying { return takeQueues() }
        pause = nil
        watch()
        worker.slot.isAccepting = true
    }

    private func pause(_ reason: Pause, seconds: Double?) {
        pause = reason
        stopWatching()
        worker.slot.isAccepting = reason == .ahead && !isEmptying
        if let seconds { pauseTimer?.start(after: seconds) }
    }

    private func pauseTimerFired() {
        // Whatever still waits after the pause was left by the others as well, so some of it is taken here.
        if pause == .ahead { allowance = 4 }
        resume()
        worker.finishIfDone()
    }

    private func accept(from listener: Listener) {
        for taken in 0..<Self.batch {
            if isEmptying {
                if let last = waiting.last, last.fileDescriptor >= lastDescriptor {
                    return pause(.outOfDescriptors, seconds: Self.descriptorPause)
                }
            } else if worker.openConnections >= worker.configuration.connections {
                // Room is made only for somebody who waits.
                guard Socket.waitBlocking(listener.socket.fileDescriptor, for: .read, seconds: 0) else { return }
                guard worker.evictIdleConnection() || hasSparePlace else { return pause(.full, seconds: nil) }
            }
            // However long a free sibling needs to wake up: here, the request would wait for another one to end.
            if !isEmptying, isBusier(after: taken) { return pause(.ahead, seconds: Self.aheadPause) }
            if isAhead, !isEmptying {
                guard allowance > 0 else { return pause(.ahead, seconds: Self.aheadPause) }
                allowance -= 1
            }
            var peer = PeerAddress()
            let accepted = Socket.accept(listener.socket.fileDescriptor, peer: &peer)
            if accepted >= 0 {
                isQueueEmpty = false
                if isEmptying, !hasPlace {
                    waiting.append((accepted, peer, listener))
                } else {
                    let connection = worker.open(accepted, peer, listener)
                    if listener.isSecure { worker.sticky?.accepted(connection) }
                }
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
                if worker.evictIdleConnection() || isEmptying && worker.evictLingeringConnection() { continue }
                return pause(.outOfDescriptors, seconds: Self.descriptorPause)
            } else if !SocketError.isTransientAccept(accepted) {
                worker.loop.onCheck?()
                worker.logger.error("accept failed", metadata: ["error": "\(SystemError.message(-accepted))"])
                return pause(.outOfDescriptors, seconds: Self.descriptorPause)
            }
        }
    }

    /// Whether a request would have to wait here, and behind more than at a sibling. One whose thread is just getting
    /// free still counts its last request: the client has its answer before that.
    ///
    /// - Parameter taken: connections that have just been accepted, and will soon have a request each.
    private func isBusier(after taken: Int) -> Bool {
        let parallelism = worker.application.parallelism
        let mine = worker.runningTasks + taken
        guard parallelism < .max, mine >= parallelism else { return false }
        let now = EventLoop.coarseNow()
        return siblings.contains {
            $0.isAccepting && $0.active < mine && $0.isBeating(at: now)
        }
    }

    /// Whether this worker holds more connections than the mean of the siblings that accept, by more than a margin.
    /// Long-lived connections would make any imbalance of accepting permanent.
    private var isAhead: Bool {
        guard !siblings.isEmpty else { return false }
        let now = EventLoop.coarseNow()
        var sum = 0
        var count = 0
        for sibling in siblings where sibling.isAccepting && sibling.isBeating(at: now) {
            sum += Int(sibling.open)
            count += 1
        }
        guard count > 0 else { return false }
        let mean = sum / count
        return worker.openConnections > mean + max(2, mean / 64)
    }
}

extension ScoreboardSlot {
    /// Whether its worker can be counted on: one that has not beaten for so many seconds is stuck or stopped.
    func isBeating(at now: Double) -> Bool { now - heartbeat < 2.5 }
}

extension Worker {
    /// More connections are open than `--connections` allows.
    var isOverfull: Bool { openConnections > configuration.connections }

    /// Connections beyond the cap that can ask for health, and for nothing else.
    var spareConnections: Int { health == nil ? 0 : 4 }
}

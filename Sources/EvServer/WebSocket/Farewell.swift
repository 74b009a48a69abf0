// The WebSockets of a worker that leaves are sent to its successor one after the other, and so are requests that are
// held here to the end: thousands of clients that are told at once come back at once. Whoever has become a WebSocket
// meanwhile is among them.

import EvLoop

@LoopActor
final class Farewell {
    private unowned let worker: Worker
    private var timer: TimerWatcher?
    /// Monotonic seconds at which all have been told.
    private let end: Double
    /// Whoever comes now is told at once.
    private(set) var isOver = false

    /// Seconds between two turns, give or take half of it.
    private static let turn = 0.1
    /// Fewer sockets need less than the window: so many seconds each.
    private static let pace = 0.01

    /// - Parameter window: seconds, for however many there are.
    init(_ worker: Worker, window: Double) {
        self.worker = worker
        end = EventLoop.monotonicNow() + min(window, Double(worker.guests) * Self.pace)
        timer = TimerWatcher(worker.loop) { [unowned self] in self.next() }
        next()
    }

    /// Tells all that are left.
    func hurry() {
        isOver = true
        timer?.stop()
        worker.sendAway(worker.guests)
    }

    private func next() {
        let left = end - EventLoop.monotonicNow()
        guard left > Self.turn else { return hurry() }
        worker.sendAway(Int((Double(worker.guests) * Self.turn / left).rounded(.up)))
        timer?.start(after: Self.turn * Double.random(in: 0.5..<1.5))
    }
}

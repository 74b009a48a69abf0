// When running requests are given up. Each request may have a deadline of its own and move it, so they stand in a
// binary heap with one timer; a request knows its place in it. Only requests that have a deadline and are not yet
// answered are in it: without `requestTimeout` and apps that ask for more it is empty and costs nothing.

import EvLoop
import Logging

@LoopActor
final class RequestDeadlines {
    private var heap: [Exchange] = []
    private var timer: TimerWatcher?
    private var timerDue = Double.infinity

    /// The timer fires no more often than this, in seconds.
    static let granularity = 0.01

    init(_ loop: EventLoop) {
        timer = TimerWatcher(loop) { [unowned self] in self.expire() }
    }

    var count: Int { heap.count }
    func stop() { timer?.stop() }

    /// Takes note of the deadline that the exchange has now.
    func update(_ exchange: Exchange) {
        guard exchange.deadline.isFinite else { return remove(exchange) }
        if exchange.deadlineIndex < 0 {
            exchange.deadlineIndex = Int32(truncatingIfNeeded: heap.count)
            heap.append(exchange)
        }
        settle(Int(exchange.deadlineIndex))
        arm()
    }

    func remove(_ exchange: Exchange) {
        let index = Int(exchange.deadlineIndex)
        guard index >= 0, let last = heap.popLast() else { return }
        exchange.deadlineIndex = -1
        guard index < heap.count else { return }
        place(last, at: index)
        settle(index)
    }

    /// Moves an entry up or down to where it belongs. A new one has the latest deadline as a rule and stays.
    private func settle(_ start: Int) {
        var index = start
        let exchange = heap[index]
        while index > 0, exchange.deadline < heap[(index - 1) / 2].deadline {
            place(heap[(index - 1) / 2], at: index)
            index = (index - 1) / 2
        }
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
            guard heap[child].deadline < exchange.deadline else { break }
            place(heap[child], at: index)
            index = child
        }
        place(exchange, at: index)
    }

    private func place(_ exchange: Exchange, at index: Int) {
        heap[index] = exchange
        exchange.deadlineIndex = Int32(truncatingIfNeeded: index)
    }

    /// A timer that is due too early finds nothing to do and is set anew: cheaper than following every answer.
    private func arm() {
        guard let due = heap.first?.deadline, due < timerDue - Self.granularity else { return }
        timerDue = due
        // No further ahead than a day: the timer then looks again, and its own arithmetic stays in range.
        timer?.start(after: min(max(due - EventLoop.monotonicNow(), Self.granularity), 86_400))
    }

    private func expire() {
        timerDue = .infinity
        let now = EventLoop.monotonicNow()
        while let first = heap.first, first.deadline <= now {
            remove(first)
            first.deadlineExpired()
        }
        arm()
    }
}

extension Exchange {
    /// Gives up a request that has no answer yet, for the worker leaves: the client is answered first, as below.
    func giveUp() {
        guard !isFinished, !headWasSent else { return }
        fail(status: 503)
        task?.cancel()
        onClientLeft?()
        wakeBodyReader()
        wakeWriter()
    }

    /// Gives the request up: the client is answered first, so that an app that does not listen cannot keep it waiting.
    func deadlineExpired() {
        guard !isFinished else { return }
        isOverdue = true
        worker.logger.warning("A request has passed its deadline and is cancelled", metadata: requestMetadata)
        fail(status: 504)
        task?.cancel()
        (onDeadline ?? onClientLeft)?()
        wakeBodyReader()
        wakeWriter()
    }
}

// When holds are due: each has a time of its own, so they stand in a binary heap with one timer, and each knows its
// place in it.

import EvLoop

@LoopActor
final class HoldDeadlines {
    @exclusivity(unchecked) private var heap: [Hold] = []
    private var timer: TimerWatcher?
    private var timerDue = Double.infinity
    private let expired: (Hold, Double) -> Void

    /// The timer fires no more often than this, in seconds.
    private static let granularity = 0.05

    init(_ loop: EventLoop, _ expired: @escaping (Hold, Double) -> Void) {
        self.expired = expired
        timer = TimerWatcher(loop) { [unowned self] in self.expire() }
    }

    var count: Int { heap.count }
    func stop() { timer?.stop() }

    /// - Parameter deadline: infinity for none.
    func set(_ deadline: Double, of hold: Hold) {
        hold.deadline = deadline
        guard deadline.isFinite else { return remove(hold) }
        if hold.deadlineIndex < 0 {
            hold.deadlineIndex = Int32(truncatingIfNeeded: heap.count)
            heap.append(hold)
        }
        settle(Int(hold.deadlineIndex))
        arm()
    }

    func remove(_ hold: Hold) {
        let index = Int(hold.deadlineIndex)
        guard index >= 0, let last = heap.popLast() else { return }
        hold.deadlineIndex = -1
        guard index < heap.count else { return }
        place(last, at: index)
        settle(index)
    }

    private func settle(_ start: Int) {
        var index = start
        let hold = heap[index]
        while index > 0, hold.deadline < heap[(index - 1) / 2].deadline {
            place(heap[(index - 1) / 2], at: index)
            index = (index - 1) / 2
        }
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
            guard heap[child].deadline < hold.deadline else { break }
            place(heap[child], at: index)
            index = child
        }
        place(hold, at: index)
    }

    private func place(_ hold: Hold, at index: Int) {
        heap[index] = hold
        hold.deadlineIndex = Int32(truncatingIfNeeded: index)
    }

    private func arm() {
        guard let due = heap.first?.deadline, due < timerDue - Self.granularity else { return }
        timerDue = due
        timer?.start(after: min(max(due - EventLoop.monotonicNow(), Self.granularity), 86_400))
    }

    private func expire() {
        timerDue = .infinity
        let now = EventLoop.monotonicNow()
        while let first = heap.first, first.deadline <= now {
            remove(first)
            expired(first, now)
        }
        arm()
    }
}

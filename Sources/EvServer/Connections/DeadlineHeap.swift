// When running requests are given up, and when something happens to a hold. Each has a deadline of its own and may move
// it, so they stand in a binary heap with one timer, and each knows its place in it. Those without a deadline are not
// in it: an empty one costs nothing.

import EvLoop

/// Whoever stands in a heap of deadlines.
@LoopActor
protocol HasDeadline: AnyObject {
    /// Monotonic seconds; infinity for none.
    var deadline: Double { get }
    /// The place in the heap, which alone sets it; -1 for none.
    var deadlineIndex: Int32 { get set }
    /// The deadline has passed, and the entry is not in the heap any more.
    func deadlineExpired(at now: Double)
}

@LoopActor
final class DeadlineHeap<Entry: HasDeadline> {
    @exclusivity(unchecked) private var heap: [Entry] = []
    private var timer: TimerWatcher?
    private var timerDue = Double.infinity
    /// The timer fires no more often than this, in seconds.
    private let granularity: Double

    init(_ loop: EventLoop, granularity: Double) {
        self.granularity = granularity
        timer = TimerWatcher(loop) { [unowned self] in self.expire() }
    }

    var count: Int { heap.count }
    func stop() { timer?.stop() }

    /// Takes note of the deadline that the entry has now.
    func update(_ entry: Entry) {
        guard entry.deadline.isFinite else { return remove(entry) }
        if entry.deadlineIndex < 0 {
            entry.deadlineIndex = Int32(truncatingIfNeeded: heap.count)
            heap.append(entry)
        }
        settle(Int(entry.deadlineIndex))
        arm()
    }

    func remove(_ entry: Entry) {
        let index = Int(entry.deadlineIndex)
        guard index >= 0, let last = heap.popLast() else { return }
        entry.deadlineIndex = -1
        guard index < heap.count else { return }
        place(last, at: index)
        settle(index)
    }

    /// Moves an entry up or down to where it belongs. A new one has the latest deadline as a rule and stays.
    private func settle(_ start: Int) {
        var index = start
        let entry = heap[index]
        while index > 0, entry.deadline < heap[(index - 1) / 2].deadline {
            place(heap[(index - 1) / 2], at: index)
            index = (index - 1) / 2
        }
        while true {
            var child = 2 * index + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1].deadline < heap[child].deadline { child += 1 }
            guard heap[child].deadline < entry.deadline else { break }
            place(heap[child], at: index)
            index = child
        }
        place(entry, at: index)
    }

    private func place(_ entry: Entry, at index: Int) {
        heap[index] = entry
        entry.deadlineIndex = Int32(truncatingIfNeeded: index)
    }

    /// A timer that is due too early finds nothing to do and is set anew: cheaper than following every answer.
    private func arm() {
        guard let due = heap.first?.deadline, due < timerDue - granularity else { return }
        timerDue = due
        // No further ahead than a day: the timer then looks again, and its own arithmetic stays in range.
        timer?.start(after: min(max(due - EventLoop.monotonicNow(), granularity), 86_400))
    }

    private func expire() {
        timerDue = .infinity
        let now = EventLoop.monotonicNow()
        while let first = heap.first, first.deadline <= now {
            remove(first)
            first.deadlineExpired(at: now)
        }
        arm()
    }
}

extension Exchange: HasDeadline {}
extension Hold: HasDeadline {}

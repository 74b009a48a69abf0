// The processors on which the calling thread may run (sched_setaffinity(2)); threads that it starts inherit the choice.
import CEvLoop

package enum Processors {
    /// In ascending order; a cpuset or taskset(1) may leave some out.
    package static var usable: [Int] {
        var numbers = [Int32](repeating: 0, count: 8192)
        let count = evg_processors(&numbers, Int32(numbers.count))
        return numbers.prefix(Int(max(0, count))).map { Int($0) }
    }

    /// Runs on this one alone from now on.
    package static func use(_ number: Int) throws(SystemError) {
        let result = evg_use_processor(Int32(clamping: number))
        guard result == 0 else { throw SystemError("sched_setaffinity \(number)", errno: -result) }
    }

    /// From now on this thread, when it wakes up, waits until another one that runs has used up its turn, or waits
    /// itself. Where that cannot be had, nothing changes.
    package static func interruptNobody() { _ = evg_interrupt_nobody() }
}

// The signals on which a worker that stands still writes its stacks, and the pipe that they go through: between the
// process that asks, which holds the end to read, and the worker.

import CEvLoop
import Glibc

package enum StackSignal {
    /// For the loop's thread alone.
    package static let ofLoop = evg_stack_signal(false)
    /// For all threads. It may end the process, and is for one that will end anyway.
    package static let ofAll = evg_stack_signal(true)

    /// In a worker: a signal writes the mark of the end, a NUL, from now on.
    package static func open(_ descriptor: Int32) { evg_stack_signal_open(descriptor) }

    /// The language of the app has installed what writes stacks there: they come before the mark from now on.
    ///
    /// - Parameter takesBackAbort: the handler of SIGABRT only writes what has been written then.
    package static func takeOver(takesBackAbort: Bool) { evg_stack_signal_take_over(takesBackAbort) }

    /// The ends of a pipe of which none makes anybody wait.
    package static func makePipe() throws(SystemError) -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard evg_stack_pipe(&ends) == 0 else { throw SystemError("pipe2") }
        return (ends[0], ends[1])
    }
}

// fork(2) and what surrounds it. Safe without exec only while the process has a single thread: the child of a process
// with more inherits locks that nobody will ever release.
import CEvLoop
import Glibc

package enum Fork {
    /// Forks. Returns the child's process id in the parent and nil in the child, where signal handling is as in a
    /// fresh process. Pending output of C streams is written first, so that the child does not write it again.
    ///
    /// - Parameter held: signals that stay blocked in the child until it calls ``unblock(_:)``, so that none of them
    ///   ends it before it has handlers.
    package static func fork(holding held: [Int32] = []) throws(SystemError) -> Int32? {
        fflush(nil)
        let pid = evg_fork(held, held.count)
        guard pid >= 0 else { throw SystemError("fork") }
        return pid == 0 ? nil : pid
    }

    /// Blocks these signals in the calling thread. One that comes is delivered after ``unblock(_:)``.
    package static func block(_ signals: [Int32]) { evg_block_signals(signals, signals.count) }
    package static func unblock(_ signals: [Int32]) { evg_unblock_signals(signals, signals.count) }

    /// To be called once, in a worker: notices that an app forks.
    package static func watch() { evg_watch_forks() }

    /// Children of this process may have copies of its connections, and so may those of one that has given it some:
    /// closing them does not tell their peers.
    package static var hasCopies: Bool { evg_has_copies() != 0 }
    package static func noteCopies() { evg_note_copies() }

    /// To be called in a child: the kernel kills it when the thread of process `parent` that forked it has ended.
    package static func endWithParent(_ parent: Int32) { evg_end_with_parent(parent) }

    /// Takes ``endWithParent(_:)`` back.
    package static func outliveParent() { evg_tell_of_parents_end(0) }

    /// This process gets the signal when the thread of its parent that forked it ends, also after an exec. It may come
    /// for no reason: ask `getppid()`.
    package static func tellOfParentsEnd(_ signal: Int32) { evg_tell_of_parents_end(signal) }

    /// To be called in a child: `seconds` after the thread of process `parent` that forked it has ended, the child is
    /// aborted, and a second later killed, whatever it does then.
    package static func endAfterParent(_ parent: Int32, seconds: Double) throws(SystemError) {
        let result = evg_end_after_parent(parent, seconds)
        guard result == 0 else { throw SystemError("timer_create and prctl", errno: -result) }
    }

    /// Ends a child: writes what C streams still hold, then leaves without the handlers that the parent registered.
    package static func exitChild(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }

    /// The number of threads of this process; nil if /proc cannot be read.
    package static func threadCount() -> Int? {
        guard let directory = opendir("/proc/self/task") else { return nil }
        defer { closedir(directory) }
        var count = 0
        while let entry = readdir(directory) {
            if entry.pointee.d_name.0 != UInt8(ascii: ".") { count += 1 }
        }
        return count
    }
}

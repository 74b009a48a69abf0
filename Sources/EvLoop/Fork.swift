// fork(2) and what surrounds it. Safe without exec only while the process has a single thread: the child of a process
// with more inherits locks that nobody will ever release.
import CEvLoop
import Glibc

package enum Fork {
    /// Forks. Returns the child's process id in the parent and nil in the child, where signal handling is as in a
    /// fresh process. Pending output of C streams is written first, so that the child does not write it again.
    package static func fork() throws(SystemError) -> Int32? {
        fflush(nil)
        let pid = evg_fork()
        guard pid >= 0 else { throw SystemError("fork") }
        return pid == 0 ? nil : pid
    }

    /// To be called once, in a worker: notices that an app forks.
    package static func watch() { evg_watch_forks() }

    /// In a child: it is killed when the thread that forked it, `parent`'s, has ended.
    package static func endWithParent(_ parent: Int32) { evg_end_with_parent(parent) }

    /// Ends a child: writes what C streams still hold, then leaves without the handlers that the parent registered.
    package static func exitChild(_ code: Int32) -> Never {
        fflush(nil)
        _exit(code)
    }

    /// The threads of this process; nil when /proc cannot tell.
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

// Tells that peers are gone, of sockets from which nothing else is wanted. libev can wait for a socket to be readable
// or writable, and after a FIN it is readable for ever; so these sockets stand in an epoll set of their own that asks
// for nothing: it becomes readable by what the kernel tells unasked, EPOLLHUP and EPOLLERR.

import CEvLoop
import Glibc

package final class HangupWatcher {
    private let set: Int32
    private var watcher: IOWatcher?

    /// - Parameter onHangup: called with the descriptor; it is to be removed, or is told again.
    /// - Throws: `SystemError` when there is no descriptor for the set.
    package init(_ loop: EventLoop, onHangup: @escaping (Int32) -> Void) throws(SystemError) {
        let set = evg_epoll()
        guard set >= 0 else { throw SystemError("epoll_create", errno: -set) }
        self.set = set
        let watcher = IOWatcher(loop, fileDescriptor: set, events: .read) { _ in
            let descriptor = evg_epoll_next(set)
            if descriptor >= 0 { onHangup(descriptor) }
        }
        watcher.start()
        self.watcher = watcher
    }

    deinit {
        watcher = nil
        close(set)
    }

    /// Whether the descriptor is watched now.
    package func add(_ descriptor: Int32) -> Bool { evg_epoll_add_hangup(set, descriptor) == 0 }

    /// Before the descriptor is closed: another process may hold the socket, and it would stay in the set.
    package func remove(_ descriptor: Int32) { evg_epoll_remove(set, descriptor) }
}

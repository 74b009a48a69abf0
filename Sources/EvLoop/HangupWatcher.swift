// Reports when the peers of sockets have closed or reset them, and nothing else. libev can only wait until a socket is
// readable or writable, and after a FIN a socket is always readable. So these sockets are in an epoll set of their own
// without requested events: it becomes readable by EPOLLHUP and EPOLLERR, which the kernel always reports.

import CEvLoop
import Glibc

package final class HangupWatcher {
    private let set: Int32
    private var watcher: IOWatcher?

    /// - Parameter onHangup: called with the descriptor, again and again until it is removed.
    /// - Throws: `SystemError` if there is no descriptor for the set.
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

    /// Watches a descriptor. Returns false if that failed.
    package func add(_ descriptor: Int32) -> Bool { evg_epoll_add_hangup(set, descriptor) == 0 }

    /// Must be called before the descriptor is closed: if another process holds the socket, it would stay in the set.
    package func remove(_ descriptor: Int32) { evg_epoll_remove(set, descriptor) }
}

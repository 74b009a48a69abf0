// Watches listening sockets that sibling processes watch too, so that a connection wakes one of them and not all.
// The kernel does so (EPOLLEXCLUSIVE) for sockets in the set that a thread waits on: in libev's own, or, for a guest,
// in that of the loop which drives it; a set within another set wakes everybody. Neither loop knows of such entries.
// They are made behind its back, with the data of a member that it knows, so that it takes their events for that
// member's. Whoever is woken and does not accept has to pass the wake on: nobody else was told.

import CEvLoop
import Glibc

package final class ExclusiveWatch {
    private unowned(unsafe) let loop: EventLoop
    private let sockets: [Int32]
    /// An eventfd of all siblings, whose wakes go to one of those that wait.
    private let passing: Int32
    /// What the loop takes events of the sockets for: an eventfd that is never readable, or the guest's descriptor.
    private let bell: Int32
    private let ownBell: Int32
    private var bellWatcher: IOWatcher?
    /// The set in which the sockets can be entered; -1 when it is not known.
    private var outer: Int32 = -1
    private var data: UInt64 = 0
    private var isEntered = false

    /// Nil where there is no descriptor to be had.
    /// - Parameters:
    ///   - passing: an eventfd that all siblings have, or -1.
    ///   - callback: a socket may be ready.
    package init?(_ loop: EventLoop, sockets: [Int32], passing: Int32, _ callback: @escaping () -> Void) {
        self.loop = loop
        self.sockets = sockets
        self.passing = passing
        if let guest = loop.guest {
            ownBell = -1
            bell = guest.descriptor
            guest.look = callback
        } else {
            ownBell = evg_eventfd()
            guard ownBell >= 0 else { return nil }
            bell = ownBell
            let watcher = IOWatcher(loop, fileDescriptor: bell, events: .read) { _ in callback() }
            watcher.start()
            bellWatcher = watcher
            loop.bell = EpollMembership(bell)
        }
    }

    deinit {
        leave()
        bellWatcher = nil
        loop.bell = nil
        if ownBell >= 0 { close(ownBell) } else { loop.guest?.look = nil }
    }

    /// The set is known, and `enter` has effect.
    package var isConnected: Bool { outer >= 0 }

    /// Finds the set. To be called after the loop's first turn, and again when `isIntact` has become false. A set that
    /// libev or the other loop has replaced since is another one, and does not hold the sockets.
    /// - Returns: whether there is one.
    package func connect() -> Bool {
        let outermost = loop.outermostSet
        guard outermost >= 0, evg_epoll_data(outermost, bell, &data) == 0 else { return false }
        outer = outermost
        return true
    }

    /// Whether the sockets are where they were entered.
    package var isIntact: Bool {
        outer == loop.outermostSet && (!isEntered || sockets.allSatisfy { evg_epoll_holds(outer, $0) == 1 })
    }

    /// Waits for the sockets. One that is ready already calls at once.
    package func enter() {
        guard isConnected, !isEntered else { return }
        isEntered = true
        for socket in sockets { _ = evg_epoll_add_exclusive(outer, socket, data, 0) }
        if passing >= 0 { _ = evg_epoll_add_exclusive(outer, passing, data, 1) }
    }

    /// Waits no more.
    package func leave() {
        guard isEntered else { return }
        isEntered = false
        for socket in sockets { evg_epoll_remove(outer, socket) }
        if passing >= 0 { evg_epoll_remove(outer, passing) }
    }

    /// Goes to the end of the line. The kernel wakes the first that waits, who would get all the connections that come
    /// one after the other.
    package func goLast() {
        guard isEntered else { return }
        for socket in sockets {
            evg_epoll_remove(outer, socket)
            _ = evg_epoll_add_exclusive(outer, socket, data, 0)
        }
    }

    /// Forgets a set that is not the right one any more.
    package func disconnect() {
        leave()
        outer = -1
    }

    /// Wakes one of the siblings that wait, who finds what this process leaves. The process itself must have left.
    package static func passOn(_ passing: Int32) {
        if passing >= 0 { evg_eventfd_wake(passing) }
    }
}

extension EventLoop {
    /// The set that the thread waits on; -1 when it is not known.
    fileprivate var outermostSet: Int32 { guest?.driver ?? backend }
}

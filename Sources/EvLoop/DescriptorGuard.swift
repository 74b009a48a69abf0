// Whether descriptors are still what they were. An app that closes what is not its own (`os.closerange(3, 50)`) frees
// their numbers, and the next client that connects gets one of them: its bytes would be taken for the loop's wakes, or
// the bytes of a log would go to it. Looked at once a second with fstat(2) and epoll_ctl(2); nothing is read.

import CEvLoop

/// Remembers which files descriptors stand for.
package struct DescriptorGuard {
    private struct Entry {
        let fileDescriptor: Int32
        let name: String
        let identity: DescriptorIdentity?
    }

    private var entries: [Entry] = []

    package init() {}

    /// Remembers what a descriptor is now, in place of what it was before.
    ///
    /// - Parameter name: for the log, for example `control socket`.
    package mutating func remember(_ fileDescriptor: Int32, as name: String) {
        entries.removeAll { $0.fileDescriptor == fileDescriptor }
        entries.append(
            Entry(fileDescriptor: fileDescriptor, name: name, identity: DescriptorIdentity(of: fileDescriptor)))
    }

    /// For one that is to be closed.
    package mutating func forget(_ fileDescriptor: Int32) { entries.removeAll { $0.fileDescriptor == fileDescriptor } }

    /// A descriptor that has been closed since, or stands for something else now.
    package var lost: (fileDescriptor: Int32, name: String)? {
        entries.first { DescriptorIdentity(of: $0.fileDescriptor) != $0.identity }.map { ($0.fileDescriptor, $0.name) }
    }

    /// Whether this one still is what was remembered, or never was.
    package func isIntact(_ fileDescriptor: Int32) -> Bool {
        entries.first { $0.fileDescriptor == fileDescriptor }
            .map { $0.identity == DescriptorIdentity(of: fileDescriptor) } ?? true
    }
}

/// An epoll set, and a descriptor that is in it until one of the two is closed or replaced.
struct EpollMembership {
    let member: Int32
    private let identity: DescriptorIdentity?

    init(_ member: Int32) {
        self.member = member
        identity = DescriptorIdentity(of: member)
    }

    /// The kernel knows members by number and file, so an eventfd that has taken the place of ours is told apart; but
    /// the loop itself enters a client that has its number.
    func holds(in epoll: Int32) -> Bool {
        evg_epoll_holds(epoll, member) != 0 && DescriptorIdentity(of: member) == identity
    }
}

extension EventLoop {
    /// The eventfd that ends a poll; -1 when it could not be told.
    package var wakeFileDescriptor: Int32 { wake?.member ?? -1 }

    /// The name of a descriptor of the loop's own that is not what it was. To be asked after the loop's first turn.
    package var lostDescriptor: String? {
        for wake in [wake, bell] {
            if let wake, !wake.holds(in: backend) { return "the loop's epoll set, or its wake" }
        }
        return guest?.lostDescriptor
    }
}

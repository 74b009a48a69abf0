// A descriptor that is readable from a signal on until it is cleared (eventfd(2)): for whoever waits on another thread,
// or in another loop.

import CEvLoop
import Glibc

package final class WakeDescriptor: Sendable {
    package let fileDescriptor: Int32

    package init() throws(SystemError) {
        fileDescriptor = evg_eventfd()
        guard fileDescriptor >= 0 else { throw SystemError("eventfd", errno: -fileDescriptor) }
    }

    deinit { Socket.close(fileDescriptor) }

    package func signal() { evg_eventfd_wake(fileDescriptor) }

    package func clear() {
        var count: UInt64 = 0
        _ = read(fileDescriptor, &count, 8)
    }
}

import CEvLoop

/// Waits for a socket on behalf of an object that owns it: like `IOWatcher`, but without an object and a closure of its
/// own, because a worker keeps thousands of them. The owner calls `close()` before its memory or the descriptor goes.
package struct SocketWatcher {
    /// Called with the owner and what the socket is ready for (`IOEvents`). An error or hang-up counts as both.
    package typealias Callback = @convention(c) (_ owner: UnsafeMutableRawPointer?, _ events: Int32) -> Void

    private unowned(unsafe) let loop: EventLoop
    private let record: UnsafeMutablePointer<evg_io>
    private var events = IOEvents.none

    package init(
        _ loop: EventLoop, fileDescriptor: Int32, owner: UnsafeMutableRawPointer, _ callback: @escaping Callback
    ) {
        self.loop = loop
        record = .allocate(capacity: 1)
        evg_io_init(record, fileDescriptor, 0, callback, owner)
    }

    /// Waits for these events from now on; none waits for nothing.
    package mutating func wait(for events: IOEvents) {
        guard events != self.events else { return }
        self.events = events
        evg_io_set(loop.handle, record, events.rawValue)
        if !events.isEmpty { loop.noteChange() }
    }

    /// Stops for good. The watcher must not be used afterwards.
    package mutating func close() {
        if !events.isEmpty { evg_io_stop(loop.handle, record) }
        record.deallocate()
    }
}

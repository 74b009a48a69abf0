// libev's watchers as objects: each owns one C record at a fixed address and one closure, called on the loop's thread.
// `start` and `stop` are idempotent, and a watcher that is released stops.

import CEvLoop

/// What a descriptor is ready for, or what is waited for.
///
/// A set of two flags, inlined everywhere: as a generic option set it showed up in profiles of a request.
@frozen
package struct IOEvents: Equatable, Sendable, ExpressibleByArrayLiteral {
    package let rawValue: Int32
    @inlinable package init(rawValue: Int32) { self.rawValue = rawValue }
    @inlinable package init(arrayLiteral elements: IOEvents...) {
        rawValue = elements.reduce(0) { $0 | $1.rawValue }
    }
    @inlinable package static var none: IOEvents { IOEvents(rawValue: 0) }
    @inlinable package static var read: IOEvents { IOEvents(rawValue: 1) }
    @inlinable package static var write: IOEvents { IOEvents(rawValue: 2) }
    @inlinable package static var both: IOEvents { IOEvents(rawValue: 3) }
    @inlinable package var isEmpty: Bool { rawValue == 0 }
    @inlinable package func contains(_ other: IOEvents) -> Bool { rawValue & other.rawValue == other.rawValue }
    @inlinable package func union(_ other: IOEvents) -> IOEvents { IOEvents(rawValue: rawValue | other.rawValue) }
    @inlinable package static func == (left: IOEvents, right: IOEvents) -> Bool { left.rawValue == right.rawValue }
}

/// Waits for a descriptor to become readable or writable. An error or hang-up counts as both.
package final class IOWatcher {
    private let loop: EventLoop
    private let record: UnsafeMutablePointer<evg_io>
    private let callback: (IOEvents) -> Void
    package private(set) var events: IOEvents
    package private(set) var isActive = false

    package init(
        _ loop: EventLoop, fileDescriptor: Int32, events: IOEvents, _ callback: @escaping (IOEvents) -> Void
    ) {
        self.loop = loop
        self.events = events
        self.callback = callback
        record = .allocate(capacity: 1)
        evg_io_init(
            record, fileDescriptor, events.rawValue,
            { context, events in
                guard let context else { return }
                let watcher = Unmanaged<IOWatcher>.fromOpaque(context).takeUnretainedValue()
                watcher.callback(IOEvents(rawValue: events & IOEvents.both.rawValue))
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        stop()
        record.deallocate()
    }

    package func start() { setActive(events) }
    package func stop() {
        guard isActive else { return }
        isActive = false
        evg_io_stop(loop.handle, record)
    }

    /// Waits for these events from now on; an empty set stops the watcher.
    package func setEvents(_ events: IOEvents) {
        guard events != self.events || isActive != !events.isEmpty else { return }
        guard !events.isEmpty else { return stop() }
        setActive(events)
    }

    private func setActive(_ events: IOEvents) {
        self.events = events
        isActive = true
        evg_io_set(loop.handle, record, events.rawValue)
        loop.noteChange()
    }
}

/// Calls once after a delay, or again and again.
package final class TimerWatcher {
    private let loop: EventLoop
    private let record: UnsafeMutablePointer<evg_timer>
    private let callback: () -> Void
    package private(set) var isActive = false
    private var interval = 0.0
    /// Monotonic seconds of the next call.
    private(set) var due = 0.0

    package init(_ loop: EventLoop, _ callback: @escaping () -> Void) {
        self.loop = loop
        self.callback = callback
        record = .allocate(capacity: 1)
        evg_timer_init(
            record,
            { context, _ in
                guard let context else { return }
                let watcher = Unmanaged<TimerWatcher>.fromOpaque(context).takeUnretainedValue()
                watcher.fired()
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        stop()
        record.deallocate()
    }

    private func fired() {
        if interval > 0 { due = EventLoop.monotonicNow() + interval } else { stop() }
        callback()
    }

    /// (Re)starts the timer. - Parameters: seconds until the first call; seconds between further ones, 0 for none.
    package func start(after: Double, every: Double = 0) {
        stop()
        isActive = true
        interval = max(0, every)
        due = EventLoop.monotonicNow() + max(0, after)
        evg_timer_start(loop.handle, record, max(0, after), interval)
        loop.guest?.began(self)
    }

    package func stop() {
        guard isActive else { return }
        isActive = false
        evg_timer_stop(loop.handle, record)
        loop.guest?.ended(self)
    }
}

/// Calls for each delivery of a signal, in the loop and not in the signal handler. Stopping restores the default.
package final class SignalWatcher {
    private let loop: EventLoop
    private let record: UnsafeMutablePointer<evg_signal>
    private let callback: () -> Void
    private var isActive = false

    package init(_ loop: EventLoop, signal: Int32, _ callback: @escaping () -> Void) {
        self.loop = loop
        self.callback = callback
        record = .allocate(capacity: 1)
        evg_signal_init(
            record, signal,
            { context, _ in
                guard let context else { return }
                Unmanaged<SignalWatcher>.fromOpaque(context).takeUnretainedValue().callback()
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        stop()
        record.deallocate()
    }

    package func start() {
        guard !isActive else { return }
        isActive = true
        evg_signal_start(loop.handle, record)
        if let guest = loop.guest { evg_signal_wakes(record, guest.event) }
    }

    package func stop() {
        guard isActive else { return }
        isActive = false
        evg_signal_stop(loop.handle, record)
    }
}

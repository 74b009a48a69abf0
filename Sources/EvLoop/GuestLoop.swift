// A loop as the guest of another one (gevent's hub, asyncio): the other watches our epoll descriptor. Everything that
// must make us run therefore has to make that descriptor readable: sockets do, another thread's wake does, the next
// timer does through a timerfd in the same set, and a change made outside of a pump does through an eventfd, because
// libev tells epoll about changed watchers only at its next run. (An ev_async is no help: it writes only while polled.)

import CEvLoop
import Glibc

/// What a loop needs beside its watchers to be driven from outside.
final class GuestSupport {
    private unowned(unsafe) let loop: EventLoop
    private let timer: Int32
    private lazy var members = [EpollMembership(timer), EpollMembership(event)]
    /// The epoll set of the loop that drives this one; -1 when there is none, or it has not been seen to watch us.
    private(set) var driver: Int32 = -1
    /// Looks for connections that the driver was woken for: its set holds the listening sockets (`ExclusiveWatch`).
    var look: (() -> Void)?
    private var pumps: UInt32 = 0
    private var calls: UInt32 = 0
    private var timerWatcher: IOWatcher?
    /// Readable from a wake until the next pump.
    let event: Int32
    private var eventWatcher: IOWatcher?
    private var isWoken = false
    /// Timers that run. A guest has only a few, so a search through the array is fast enough.
    private var timers: [Unmanaged<TimerWatcher>] = []
    private var armedFor = Double.infinity
    /// What the other loop watches: an epoll set of ours around libev's. libev replaces its own set when it gets events
    /// for descriptors that it no longer watches (a closed one that is still open in another process). A loop that
    /// watched libev's set directly would then get no more events.
    let descriptor: Int32
    private let remake = UnsafeMutablePointer<evg_remake>.allocate(capacity: 1)
    private var backend: Int32
    private var isRemade = false
    private var isWatchingRemakes = false
    /// A watcher was changed during the pump: libev has to run once more to tell epoll about it.
    fileprivate var isDirty = false

    init(_ loop: EventLoop) throws(SystemError) {
        self.loop = loop
        timer = evg_timerfd()
        event = evg_eventfd()
        descriptor = evg_epoll()
        backend = loop.backend
        let worst = min(timer, event, descriptor)
        guard worst >= 0 else { throw SystemError("timerfd_create, eventfd and epoll_create", errno: -worst) }
        let result = evg_epoll_add(descriptor, backend)
        guard result == 0 else { throw SystemError("epoll_ctl", errno: -result) }
        evg_remake_start(
            loop.handle, remake,
            { context, _ in
                guard let context else { return }
                let support = Unmanaged<GuestSupport>.fromOpaque(context).takeUnretainedValue()
                evg_epoll_remove(support.descriptor, support.backend)
                support.backend = evg_remake_descriptor(support.backend)
                support.isRemade = true
            }, Unmanaged.passUnretained(self).toOpaque())
        isWatchingRemakes = true
    }

    deinit {
        timerWatcher = nil
        eventWatcher = nil
        if isWatchingRemakes { evg_remake_stop(loop.handle, remake) }
        remake.deallocate()
        if descriptor >= 0 { close(descriptor) }
        if timer >= 0 { close(timer) }
        if event >= 0 { close(event) }
    }

    func start() {
        let timer = timer
        let watcher = IOWatcher(loop, fileDescriptor: timer, events: .read) { _ in
            var expirations: UInt64 = 0
            _ = read(timer, &expirations, MemoryLayout<UInt64>.size)
        }
        timerWatcher = watcher
        watcher.start()
        let event = event
        let wakes = IOWatcher(loop, fileDescriptor: event, events: .read) { _ in evg_eventfd_drain(event) }
        eventWatcher = wakes
        wakes.start()
    }

    func changed() {
        if loop.isRunning {
            isDirty = true
        } else if !isWoken {
            isWoken = true
            evg_eventfd_wake(event)
        }
    }

    fileprivate func beginPump() {
        isWoken = false
        isDirty = false
        calls = evg_io_called()
    }

    /// The pump had nothing to do, and so it may have been called for a connection. Busy pumps look now and then.
    fileprivate var isToLook: Bool {
        pumps &+= 1
        return evg_io_called() == calls || pumps & 3 == 0
    }

    func began(_ timer: TimerWatcher) {
        timers.append(Unmanaged.passUnretained(timer))
        changed()
    }

    func ended(_ timer: TimerWatcher) {
        let reference = Unmanaged.passUnretained(timer).toOpaque()
        timers.removeAll { $0.toOpaque() == reference }
    }

    /// The name of a descriptor that is not what it was.
    var lostDescriptor: String? {
        if !members.allSatisfy({ $0.holds(in: backend) }) { return "the loop's timer, or its wake" }
        if evg_epoll_holds(descriptor, backend) == 0 { return "the loop's epoll set" }
        return driver >= 0 && evg_epoll_holds(driver, descriptor) == 0 ? "the epoll set of the app's event loop" : nil
    }

    /// The other loop watches us from its first turn on; until it does, nothing is known of its set.
    fileprivate func isDriven(by epoll: Int32) {
        if evg_epoll_holds(epoll, descriptor) != 0 { driver = epoll }
    }

    /// After a run of the loop: if libev has replaced its epoll set, watches the new one.
    fileprivate func follow() {
        guard isRemade else { return }
        isRemade = false
        _ = evg_epoll_add(descriptor, backend)
        isDirty = true
    }

    /// Sets the timerfd to the earliest timer, unless it is set to that time already.
    fileprivate func arm() {
        let next = timers.reduce(Double.infinity) { min($0, $1._withUnsafeGuaranteedRef { $0.due }) }
        let now = EventLoop.monotonicNow()
        guard next < armedFor || armedFor <= now else { return }
        armedFor = next
        // One extra millisecond: without it, libev could find the timer not yet due.
        _ = evg_timerfd_set(timer, next.isFinite ? max(next - now, 0) + 0.001 : -1)
    }
}

extension EventLoop {
    /// Makes the loop drivable from outside. To be called before any timer starts.
    /// - Throws: `SystemError` when there is no descriptor for the timer, or the epoll descriptor is not known.
    package func becomeGuest() throws(SystemError) {
        guard backendFileDescriptor >= 0 else { throw SystemError("finding the epoll descriptor", errno: EBADF) }
        guard guest == nil else { return }
        let support = try GuestSupport(self)
        setGuest(support)
        support.start()
    }

    /// Serves what is ready, without waiting. Runs again while watchers were changed, because libev tells epoll about
    /// changes only when it runs.
    package func pump() {
        guard let guest else { return runNonBlocking() }
        var hasLooked = guest.look == nil
        repeat {
            guest.beginPump()
            runNonBlocking()
            guest.follow()
            if !hasLooked {
                hasLooked = true
                if let look = guest.look, guest.isToLook { run(look) }
            }
        } while guest.isDirty
        guest.arm()
    }

    /// Looks whether all descriptors are what they were.
    ///
    /// - Parameter driver: the epoll set of the loop that drives this one; -1 when it has none.
    package func checkGuest(drivenBy driver: Int32) {
        guest?.isDriven(by: driver)
        onCheck?()
    }

    /// Whether another loop drives this one.
    package var isGuest: Bool { guest != nil }

    /// Must be called after a watcher was changed, and when there is new work for the hooks before the poll.
    package func noteChange() { guest?.changed() }
}

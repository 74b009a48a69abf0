// One libev loop over epoll. It belongs to the thread that made it; only `LoopExecutor` is woken from others.
// Order of one turn: due timers and ready descriptors call back, then `beforePoll` runs, then the poll.
// As a guest it is driven by another loop, which watches its epoll descriptor and calls `pump` when that is readable.

import CEvLoop

/// A libev event loop. Watchers keep it alive; it is not `Sendable`.
package final class EventLoop {
    let handle: OpaquePointer
    /// libev's epoll descriptor; -1 when it could not be told.
    private(set) var backend: Int32
    /// libev's eventfd, which is in its epoll set.
    let wake: EpollMembership?
    /// That of the watch of listening sockets, in the same set.
    var bell: EpollMembership?
    /// The descriptor for another loop to watch; -1 when there is none.
    package var backendFileDescriptor: Int32 { guest?.descriptor ?? backend }
    private var prepare: UnsafeMutablePointer<evg_prepare>
    private let remake = UnsafeMutablePointer<evg_remake>.allocate(capacity: 1)
    private(set) var isRunning = false
    private var abandoned = false
    private(set) var guest: GuestSupport?

    /// Runs after the callbacks of a turn and before the poll, in this order: the executor's jobs, then the rest.
    private var hooks: [Hook] = []
    /// A closure in a struct is called as it is; in an array of closures each call goes through a conversion.
    private struct Hook { let call: () -> Void }

    /// - Throws: `SystemError` when the process is out of descriptors or memory.
    package init() throws(SystemError) {
        var backend: Int32 = -1
        var wake: Int32 = -1
        guard let handle = evg_loop_new(&backend, &wake) else { throw SystemError("epoll_create1") }
        self.handle = handle
        self.backend = backend
        self.wake = backend >= 0 && wake >= 0 ? EpollMembership(wake) : nil
        prepare = .allocate(capacity: 1)
        evg_prepare_init(
            prepare,
            { context, _ in
                guard let context else { return }
                let loop = Unmanaged<EventLoop>.fromOpaque(context).takeUnretainedValue()
                for hook in loop.hooks { hook.call() }
            }, Unmanaged.passUnretained(self).toOpaque())
        evg_prepare_start(handle, prepare)
        evg_remake_start(
            handle, remake,
            { context, _ in
                guard let context else { return }
                let loop = Unmanaged<EventLoop>.fromOpaque(context).takeUnretainedValue()
                loop.backend = evg_remake_descriptor(loop.backend)
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    deinit {
        guest = nil
        if !abandoned {
            evg_prepare_stop(handle, prepare)
            evg_remake_stop(handle, remake)
            evg_loop_destroy(handle)
        }
        prepare.deallocate()
        remake.deallocate()
    }

    func setGuest(_ support: GuestSupport) { guest = support }

    /// Serves events until `stop()`.
    package func run() {
        isRunning = true
        evg_loop_run(handle)
        isRunning = false
    }

    /// Serves what is ready now, without waiting.
    package func runNonBlocking() {
        isRunning = true
        evg_loop_run_nowait(handle)
        isRunning = false
    }

    /// Calls as from a turn of the loop: what changes in it does not wake whoever pumps the loop.
    func run(_ body: () -> Void) {
        isRunning = true
        body()
        isRunning = false
    }

    /// Makes `run()` return after the current turn, and tells whoever pumps the loop to end.
    package func stop() {
        isStopRequested = true
        evg_loop_stop(handle)
        noteChange()
    }
    /// True once `stop()` has been called. Whoever drives a guest checks this after each pump.
    package private(set) var isStopRequested = false

    /// Looks whether the loop's descriptors are still its own; called once a second while the worker serves, and by
    /// whoever finds that something is wrong with one.
    package var onCheck: (() -> Void)?

    /// Calls when a loop of this process cannot poll, which is the end: the process is aborted when the call returns.
    package static func onFailure(_ handler: @escaping @convention(c) () -> Void) { evg_loop_on_failure(handler) }

    /// Adds a hook that runs before each poll. Hooks run in the order in which they were added.
    package func beforePoll(_ hook: @escaping () -> Void) { hooks.append(Hook(call: hook)) }

    /// Sets functions that are called right before and right after each poll, for example to release an interpreter's
    /// lock while the loop waits.
    package func setPollHooks(
        release: @escaping @convention(c) () -> Void, acquire: @escaping @convention(c) () -> Void
    ) {
        evg_loop_set_poll_hooks(handle, release, acquire)
    }

    /// Takes a descriptor that nobody waits for out of the kernel's set, which libev leaves to the close. To be called
    /// before the close of one that has a duplicate: events of a descriptor that is closed and still in the set would
    /// make libev replace the set.
    package func forget(_ fileDescriptor: Int32) {
        if backend >= 0 { evg_epoll_remove(backend, fileDescriptor) }
    }

    /// Whether ``forget(_:)`` can do that.
    package var canForget: Bool { backend >= 0 }

    /// From here on ``polled`` counts, at the cost of two readings of the clock per poll.
    package func measurePolls() { evg_loop_measure_polls(handle) }
    /// How long the loop has waited for events, in seconds. Another loop that drives this one waits in its place.
    package var polled: Double { evg_loop_polled() }

    /// From here on ``turnBegan`` is known, at the cost of one reading of the clock per poll. One loop per process.
    package func measureTurns() { evg_loop_measure_turns(handle, isGuest ? 1 : 0) }
    /// The longest turn since the last call, in seconds; 0 for a guest, whose turns are a part of another loop's.
    package static func takeLongestTurn() -> Double { evg_turn_take_longest() }

    /// In a forked child: drops the parent's loop. Its epoll set is shared with the parent and stays as it is.
    /// Watchers must have been stopped; none of them may be used afterwards.
    package func abandonAfterFork() {
        guard !abandoned else { return }
        abandoned = true
        hooks = []
        evg_prepare_stop(handle, prepare)
        evg_remake_stop(handle, remake)
        evg_loop_abandon(handle)
    }

    /// Seconds of the monotonic clock, which no change of the wall clock moves.
    package static func monotonicNow() -> Double { evg_monotonic() }
    /// The same clock with a resolution of about 4 ms, at a tenth of the cost.
    package static func coarseNow() -> Double { evg_monotonic_coarse() }
    /// Seconds since 1970.
    package static func wallNow() -> Double { evg_wall() }
}

// The loop as an executor: serial executor of `LoopActor`, task executor of requests. Jobs enqueued on the loop's
// thread go to a plain array that is drained before the next poll; those of other threads go through a locked inbox
// and one wake. This is the only type of the package that is `@unchecked Sendable`: `local` and `spare` belong to the
// bound thread, everything else is behind the mutex or atomic.

import CEvLoop
import Glibc
import Synchronization

/// Runs Swift concurrency jobs on an event loop's thread, in the order in which they were enqueued there.
package final class LoopExecutor: SerialExecutor, TaskExecutor, @unchecked Sendable {
    /// The executor of this process's worker loop, bound once after the fork.
    package static let shared = LoopExecutor()

    /// Jobs run per turn of the loop, so that a storm of them cannot keep descriptors and timers waiting.
    static let batch = 4096
    /// Rounds of jobs that enqueue jobs, per turn. The bound lets the loop turn while tasks only yield to each other.
    static let rounds = 64

    private enum Entry {
        case job(UnownedJob)
        case work(@Sendable () -> Void)
    }
    private struct Inbox {
        var entries: [Entry] = []
        var isWakePending = false
        var wake: (@Sendable () -> Void)?
    }

    private let thread = Atomic<UInt>(0)
    /// Another thread has put something into the inbox; read before each poll, so that an empty one costs no lock.
    private let hasPosts = Atomic<Bool>(false)
    private let inbox = Guarded(Inbox())
    // Nothing calls out while one of these is being changed, and every turn looks at each: accesses are not tracked.
    @exclusivity(unchecked) private var local: ContiguousArray<UnownedJob> = []
    @exclusivity(unchecked) private var spare: ContiguousArray<UnownedJob> = []
    @exclusivity(unchecked) private var deferred: ContiguousArray<Work> = []
    @exclusivity(unchecked) private var afterJobs: ContiguousArray<Work> = []
    /// A closure in a struct is called as it is; in an array of closures each call goes through a conversion.
    private struct Work { let call: () -> Void }
    private var loop: EventLoop?
    private var async: UnsafeMutablePointer<evg_async>?

    package init() {}

    /// Ties the executor to a loop and to the calling thread. Jobs enqueued before are run in the loop's first turn.
    package func bind(to loop: EventLoop) {
        precondition(self.loop == nil, "an executor is bound once")
        self.loop = loop
        let async = UnsafeMutablePointer<evg_async>.allocate(capacity: 1)
        // The wake itself has nothing to do: it ends the poll, and jobs are drained before the next one.
        evg_async_init(async, { _, _ in }, nil)
        evg_async_start(loop.handle, async)
        self.async = async
        loop.beforePoll { [unowned self] in self.drain() }
        let handle = UInt(bitPattern: loop.handle)
        let record = UInt(bitPattern: async)
        let event = loop.guest?.event
        inbox.withLock {
            // An ev_async writes to its descriptor only while its own loop polls. A guest is polled by the other loop.
            $0.wake = {
                if let event { return evg_eventfd_wake(event) }
                evg_async_send(OpaquePointer(bitPattern: handle), UnsafeMutablePointer(bitPattern: record))
            }
        }
        thread.store(pthread_self(), ordering: .releasing)
    }

    /// Takes the executor off its loop; for tests that make several. Jobs still waiting are run first.
    package func unbind() {
        guard let loop, let async else { return }
        drain()
        inbox.withLock { $0.wake = nil }
        evg_async_stop(loop.handle, async)
        async.deallocate()
        self.async = nil
        self.loop = nil
        thread.store(0, ordering: .releasing)
    }

    /// Whether the caller runs on the bound thread.
    package var isOnLoopThread: Bool { thread.load(ordering: .relaxed) == pthread_self() }

    package func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        guard isOnLoopThread else { return post(.job(job)) }
        local.append(job)
        // Inside a turn, the drain before the poll runs it. Outside of a turn, whoever drives the loop must be told.
        if local.count == 1 { wakeFromOutside() }
    }

    /// Runs a closure on the loop's thread: now when called there, else in its next turn.
    package func submit(_ work: @escaping @Sendable () -> Void) {
        if isOnLoopThread { work() } else { post(.work(work)) }
    }

    /// Runs a closure on the loop's thread after the jobs that wait now, in no task's context. Only for that thread.
    package func later(_ work: @escaping () -> Void) {
        deferred.append(Work(call: work))
        wakeFromOutside()
    }

    private func wakeFromOutside() {
        guard let loop else { return }
        if loop.isGuest { loop.noteChange() } else if !loop.isRunning { evg_async_send(loop.handle, async) }
    }

    /// Adds what is to be done when no job is left, before each poll. What it enqueues runs before the poll too.
    package func afterJobs(_ work: @escaping () -> Void) { afterJobs.append(Work(call: work)) }

    private func post(_ entry: Entry) {
        // One wake for all entries that arrive before the loop looks: it saves an eventfd write for each.
        let wake = inbox.withLock { inbox -> (@Sendable () -> Void)? in
            inbox.entries.append(entry)
            hasPosts.store(true, ordering: .sequentiallyConsistent)
            guard !inbox.isWakePending else { return nil }
            inbox.isWakePending = inbox.wake != nil
            return inbox.wake
        }
        wake?()
    }

    private func drain() {
        takeInbox()
        var budget = Self.batch
        var rounds = Self.rounds
        repeat {
            while !(local.isEmpty && deferred.isEmpty) && budget > 0 && rounds > 0 {
                budget -= runRound()
                rounds -= 1
            }
            for work in afterJobs { work.call() }
        } while !(local.isEmpty && deferred.isEmpty) && budget > 0 && rounds > 0
        if !(local.isEmpty && deferred.isEmpty), let loop {
            if loop.isGuest { loop.noteChange() } else { evg_async_send(loop.handle, async) }
        }
    }

    /// Runs the jobs that wait now. Jobs that these enqueue wait for the next round.
    private func runRound() -> Int {
        swap(&local, &spare)
        for index in spare.indices {
            unsafe spare[index].runSynchronously(
                isolatedTo: asUnownedSerialExecutor(), taskExecutor: asUnownedTaskExecutor())
        }
        let count = spare.count
        spare.removeAll(keepingCapacity: count <= Self.batch)
        guard !deferred.isEmpty else { return count }
        let works = deferred.count > Self.batch ? ContiguousArray(deferred[..<Self.batch]) : deferred
        deferred.removeFirst(works.count)
        for work in works { work.call() }
        return count + works.count
    }

    /// Runs what other threads have submitted until now, for whoever looks at something that follows from it.
    /// Only for the loop's thread.
    package func takeSubmitted() {
        if isOnLoopThread { takeInbox() }
    }

    private func takeInbox() {
        guard hasPosts.load(ordering: .sequentiallyConsistent) else { return }
        let entries = inbox.withLock { inbox -> [Entry] in
            inbox.isWakePending = false
            hasPosts.store(false, ordering: .sequentiallyConsistent)
            guard !inbox.entries.isEmpty else { return [] }
            return exchange(&inbox.entries, with: [])
        }
        for entry in entries {
            switch entry {
            case .job(let job): local.append(job)
            case .work(let work): work()
            }
        }
    }

    private func exchange<T>(_ place: inout T, with value: T) -> T {
        let old = place
        place = value
        return old
    }

    // MARK: SerialExecutor, TaskExecutor

    package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }
    package func checkIsolated() { precondition(isOnLoopThread, "not on the event loop's thread") }
    /// Without this answer `Task.immediate` would enqueue instead of starting inside the loop's callback.
    package func isIsolatingCurrentContext() -> Bool? { isOnLoopThread }

    /// The loop that the executor is bound to. Only for the loop's thread.
    package var boundLoop: EventLoop? { isOnLoopThread ? loop : nil }
}

/// A value behind a mutex of the C library: ThreadSanitizer understands that one, and not `Synchronization.Mutex`.
private final class Guarded<Value> {
    private var value: Value
    private let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)

    init(_ value: Value) {
        self.value = value
        pthread_mutex_init(mutex, nil)
    }

    deinit {
        pthread_mutex_destroy(mutex)
        mutex.deallocate()
    }

    func withLock<Result>(_ body: (inout Value) -> Result) -> Result {
        pthread_mutex_lock(mutex)
        defer { pthread_mutex_unlock(mutex) }
        return body(&value)
    }
}

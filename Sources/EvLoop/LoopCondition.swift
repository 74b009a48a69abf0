// Waiting on the loop for something that other requests bring about, as a long poll does. Each waiting task or request
// costs one small object and one timer.

/// Something that tasks wait for and others announce, within one worker.
///
///     let news = LoopCondition()
///     // GET: until there is news, the time is up, or the client has left
///     let came = try await news.wait(atMost: .seconds(30))
///     // POST
///     news.notifyAll()
///
/// It carries no value and stores nothing: a task that was woken must look itself at the state that has changed.
@LoopActor
public final class LoopCondition {
    private var waiters: [Waiter] = []

    public nonisolated init() {}

    /// The number of tasks and parked requests that wait now.
    public var count: Int { waiters.count }

    /// Waits for the next `notifyAll()`.
    ///
    /// - Parameter limit: the longest wait; nil waits without end.
    /// - Returns: true if it was woken, false if the time was up first.
    /// - Throws: `CancellationError` as soon as the task is cancelled; that of a request is when its client leaves.
    public func wait(atMost limit: Duration? = nil) async throws -> Bool {
        let waiter = Waiter(self)
        return try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { waiter.begin($0, limit) }
        } onCancel: {
            LoopExecutor.shared.submit { LoopActor.assumeIsolated { waiter.end(.failure(CancellationError())) } }
        }
    }

    /// Waits without a task: calls back on the loop's thread, in no task's context, with true if the condition was
    /// announced in time, else with false. After `giveUp()` there is no call.
    package func park(atMost limit: Duration?, _ callback: @escaping @LoopActor (Bool) -> Void) -> Parking {
        let waiter = Waiter(self)
        waiter.begin(parked: callback, limit)
        return Parking(waiter: waiter)
    }

    /// A wait that was begun by `park`.
    @LoopActor
    package struct Parking {
        fileprivate let waiter: Waiter
        package func giveUp() { waiter.giveUp() }
    }

    /// Wakes all that wait now.
    public func notifyAll() {
        let woken = waiters
        waiters = []
        for waiter in woken { waiter.resume(.success(true)) }
    }

    fileprivate func add(_ waiter: Waiter) {
        waiter.index = waiters.count
        waiters.append(waiter)
    }

    /// The last waiter takes the place of the removed one: waiters that are woken together are woken in no certain
    /// order.
    fileprivate func remove(_ waiter: Waiter) {
        guard waiters.indices.contains(waiter.index), waiters[waiter.index] === waiter else { return }
        let last = waiters.removeLast()
        guard last !== waiter else { return }
        waiters[waiter.index] = last
        last.index = waiter.index
    }
}

@LoopActor
private final class Waiter {
    private enum Sleeper {
        case task(UnsafeContinuation<Bool, any Error>)
        case parked(@LoopActor (Bool) -> Void)
        case nobody
    }

    private let condition: LoopCondition
    private var sleeper = Sleeper.nobody
    private var timer: TimerWatcher?
    fileprivate var index = 0

    init(_ condition: LoopCondition) { self.condition = condition }

    func begin(_ continuation: UnsafeContinuation<Bool, any Error>, _ limit: Duration?) {
        sleeper = .task(continuation)
        if Task.isCancelled { resume(.failure(CancellationError())) } else { wait(limit) }
    }

    func begin(parked callback: @escaping @LoopActor (Bool) -> Void, _ limit: Duration?) {
        sleeper = .parked(callback)
        wait(limit)
    }

    private func wait(_ limit: Duration?) {
        condition.add(self)
        guard let limit, let loop = LoopExecutor.shared.boundLoop else { return }
        let timer = TimerWatcher(loop) { [unowned self] in self.end(.success(false)) }
        self.timer = timer
        timer.start(after: limit.inSeconds)
    }

    func end(_ result: Result<Bool, any Error>) {
        condition.remove(self)
        resume(result)
    }

    func giveUp() {
        sleeper = .nobody
        end(.success(false))
    }

    func resume(_ result: Result<Bool, any Error>) {
        timer?.stop()
        timer = nil
        let woken = sleeper
        sleeper = .nobody
        switch woken {
        case .task(let continuation): continuation.resume(with: result)
        case .parked(let callback):
            guard case .success(let came) = result else { return }
            // Not called inside the task that announces, because the callback belongs to another request.
            LoopExecutor.shared.later { LoopActor.assumeIsolated { callback(came) } }
        case .nobody: break
        }
    }
}

extension Duration {
    var inSeconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}

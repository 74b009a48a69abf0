// A reload replaces workers one by one. It begins with the driver's answer to `.reconfigure`.

extension SupervisorState {
    mutating func reconfigured(_ workers: Int, _ limits: Limits, _ now: Double) {
        guard !isEnding else { return }
        self.limits = limits
        // As in gunicorn, what TTIN, TTOU and WINCH have changed does not outlive a reload. What the load needs does.
        least = clamped(workers)
        setTarget(max(least, min(target, most)), now)
        if isReloadAbrupt { replaceAll(now) } else { requestReload() }
    }

    /// Answers a worker whose app has changed. Each worker tells, and one of them is enough.
    mutating func filesChanged(_ pid: Int32) {
        guard !isEnding, workers.contains(where: { $0.pid == pid && $0.phase != .retiring }) else { return }
        isReloadAbrupt = true
        actions.append(.reconfigure)
    }

    /// All workers leave, and others start at once: who asks next is to see the new app, and waits for it if need be.
    private mutating func replaceAll(_ now: Double) {
        isReloadAbrupt = false
        reloadBarrier = nil
        isReloadQueued = false
        histories = [:]
        tally.count(.reloads)
        retire(now) { _ in true }
    }

    /// The number of slots is fixed.
    private mutating func clamped(_ workers: Int) -> Int {
        let room = room(for: workers)
        if workers > room { log(.workersClamped(to: room, wanted: workers)) }
        return room
    }

    private mutating func requestReload() {
        guard reloadBarrier == nil else {
            isReloadQueued = true
            return log(.reloadQueued)
        }
        beginReload()
    }

    private mutating func beginReload() {
        reloadBarrier = nextAge
        isReloadQueued = false
        // The cause of earlier failures may have been removed, so all pauses end.
        histories = [:]
        log(.reloading)
    }

    mutating func giveUpReload() {
        reloadBarrier = nil
        isReloadQueued = false
    }

    /// Ends a reload when all old workers are replaced.
    mutating func finishReload() {
        guard let barrier = reloadBarrier,
            !workers.contains(where: { $0.phase != .retiring && ($0.age < barrier || $0.isSuccessor) })
        else { return }
        reloadBarrier = nil
        tally.count(.reloads)
        log(.reloaded)
        if isReloadQueued { beginReload() }
    }

    /// Workers that this reload has replaced already stay, and so do those that it has not.
    mutating func abortReload(_ now: Double) {
        reloadBarrier = nil
        tally.count(.reloadsFailed)
        log(.reloadAborted(kept: workers.count { $0.phase == .ready }))
        if isReloadQueued { beginReload() }
    }

    /// Whether a worker of one of these ages accepts connections, or will; of any index if none is given.
    package func hasAcceptor(ofAges ages: Range<Int>, index: Int?) -> Bool {
        workers.contains { worker in
            worker.phase != .retiring && ages.contains(worker.age) && (index == nil || worker.index == index)
        }
    }
}

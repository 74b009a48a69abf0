// Where processes begin and end: fork, what a child closes, control sockets, waitpid.
import EvBus
import EvLoop
import Glibc
import Logging

extension Supervisor {
    /// The master's side of a worker.
    struct Child {
        let index: Int
        let age: Int
        let slotIndex: Int
        /// The master's end of the control socket. Its closing, or the master's death, is end of file for the worker.
        let control: Int32
        /// The admin process's end of the channel to the worker; -1 for none.
        let questions: Int32
        let watcher: IOWatcher
        /// Nil if there is no pipe to be had.
        let stacks: StackReader?
        /// The heartbeat before a standstill that the log has told of.
        var toldBeat = 0.0
    }

    // MARK: begin

    func spawn(age: Int, index: Int, slotIndex: Int) {
        guard let slot = scoreboard?[slotIndex], let loop, listeners != nil else { return }
        let sockets: [ListeningSocket]
        do throws(BindAddressError) {
            sockets = try listeners?.sockets(forWorker: index) ?? []
        } catch {
            return feed(.spawnFailed(age: age, reason: error.description))
        }
        var ends: [Int32] = [-1, -1]
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        guard socketpair(AF_UNIX, type, 0, &ends) == 0 else {
            return feed(.spawnFailed(age: age, reason: SystemError("socketpair").description))
        }
        let (control, workerEnd) = (ends[0], ends[1])
        let stacks = try? StackSignal.makePipe()
        // Without a channel, the admin process does without.
        let channel = admin.board == nil ? nil : try? PacketSocket.pair()
        call { hooks.preFork(WorkerIdentity(index: index, age: age, pid: 0)) }
        checkThreads(isFatal: false)
        slot.reset()
        slot.state = .booting
        slot.age = UInt32(truncatingIfNeeded: age)
        slot.index = UInt32(clamping: index)
        slot.startedAt = EventLoop.monotonicNow()
        slot.heartbeat = EventLoop.monotonicNow()
        let seat = joinBus(slotIndex)
        let master = getpid()
        let pid: Int32?
        do throws(SystemError) {
            pid = try forkHooks.fork(holding: WorkerContext.signals)
        } catch {
            leaveBus(slotIndex)
            let ends = [control, workerEnd, channel?.0, channel?.1, stacks?.read, stacks?.write]
            for end in ends.compactMap(\.self) { close(end) }
            slot.reset()
            return feed(.spawnFailed(age: age, reason: error.description))
        }
        guard let pid else {
            forkHooks.inChild()
            close(control)
            if let stacks { close(stacks.read) }
            if let channel { close(channel.0) }
            leaveMaster(keepsQuestions: false)
            listeners?.keepOnly(index: index)
            admin.listeners?.close()
            if let seat { seat.ground.enter(seat.place) }
            scoreboard?.closeFile()
            endAfter(master)
            slot.processIdentifier = getpid()
            let siblings = (0..<slotCount).filter { $0 != slotIndex }.compactMap { scoreboard?[$0] }
            let context = WorkerContext(
                index: index, age: age, listeners: sockets, slot: slot, siblings: siblings, others: otherSlots,
                passing: scoreboard?.passing ?? -1, controlFileDescriptor: workerEnd, stackDescriptor: stacks?.write,
                questions: channel?.1, report: admin.board?[slotIndex], bus: seat,
                gracefulTimeout: configuration.gracefulTimeout)
            Fork.exitChild(worker(context))
        }
        close(workerEnd)
        if let stacks { close(stacks.write) }
        if let channel { close(channel.1) }
        slot.processIdentifier = pid
        let watcher = IOWatcher(loop, fileDescriptor: control, events: .read) { [unowned self] _ in
            readControl(of: pid)
        }
        watcher.start()
        children[pid] = Child(
            index: index, age: age, slotIndex: slotIndex, control: control, questions: channel?.0 ?? -1,
            watcher: watcher, stacks: stacks.map { StackReader($0.read, loop) })
        if let channel {
            let identity = WorkerIdentity(index: index, age: age, pid: pid)
            tellAdmin(.worker(identity, slot: slotIndex), descriptor: channel.0)
        }
        feed(.spawned(age: age, pid: pid))
    }

    /// In the child: a worker whose code hangs does not see that the master is gone, and nobody else would end it.
    private func endAfter(_ master: Int32) {
        do throws(SystemError) {
            try Fork.endAfterParent(master, seconds: configuration.gracefulTimeout + state.limits.gracefulSlack)
        } catch {
            logger.warning("A worker that hangs will outlive the master", metadata: ["error": "\(error)"])
        }
    }

    /// In a child: gives up everything of the master's but the listening sockets. The epoll set is shared with the
    /// master. So the descriptor is closed without epoll_ctl(2), which would remove the master's own watchers from the
    /// set.
    ///
    /// - Parameter keepsQuestions: true for the admin process, whose ends of the channels to the workers these are.
    func leaveMaster(keepsQuestions: Bool) {
        stopWatching()
        hooks.inChild()
        admin.child?.socket.close()
        admin.child = nil
        masters.close()
        loop?.abandonAfterFork()
        loop = nil
        // If the child kept a copy of another worker's control socket, that worker would not see the master's death.
        for child in children.values {
            close(child.control)
            child.stacks?.abandon()
            if child.questions >= 0, !keepsQuestions { close(child.questions) }
        }
        children = [:]
        inbox = []
    }

    /// Returns true if the process may fork, which is safe with one thread only. Logs one warning if a preloaded app,
    /// or the host, has started a thread.
    @discardableResult
    func checkThreads(isFatal: Bool) -> Bool {
        guard !hasWarnedOfThreads, let count = Fork.threadCount(), count > 1 else { return true }
        hasWarnedOfThreads = true
        guard isFatal else {
            logger.warning("The master has \(count) threads, so a worker may start with locks that stay locked")
            return true
        }
        logger.critical("The master has \(count) threads and cannot fork safely")
        return false
    }

    // MARK: end

    /// Where the master listens; empty before it does.
    package var addresses: [String] { listeners?.addresses.map(\.text) ?? [] }

    /// Connections that wait to be accepted, of all TCP sockets, and for how many there is room; nil if there is none
    /// of these sockets.
    package var acceptQueue: (waiting: Int, limit: Int)? {
        let queues = listeners?.addresses.compactMap(\.acceptQueue) ?? []
        return queues.isEmpty ? nil : queues.reduce((0, 0)) { ($0.0 + $1.waiting, $0.1 + $1.limit) }
    }

    /// The workers that live now, the oldest first.
    package var workers: [WorkerIdentity] {
        children.map { WorkerIdentity(index: $1.index, age: $1.age, pid: $0) }.sorted { $0.age < $1.age }
    }

    /// Collects every child that has ended, also those that the master did not start (as process 1 of a container).
    func reap() {
        // The signal comes at the end of the former master, too.
        noticeFormerMaster()
        while true {
            var status: Int32 = 0
            let pid = waitpid(-1, &status, WNOHANG)
            if pid < 0, errno == EINTR { continue }
            guard pid > 0 else { return }
            // Messages that it sent before its end are handled first.
            readControl(of: pid)
            if let child = children.removeValue(forKey: pid) {
                child.watcher.stop()
                close(child.control)
                child.stacks?.close()
                if child.questions >= 0 { close(child.questions) }
            }
            if adminEnded(pid, ExitStatus(waitStatus: status)) { continue }
            enqueue(.childExited(pid: pid, ExitStatus(waitStatus: status)))
        }
    }

    /// Sends a command over the control socket, because an app may replace signal handlers, and as a signal, because it
    /// may close the socket. To reopen the logs, one of the two is enough.
    func tell(_ pid: Int32, _ command: ControlCommand) {
        guard let child = children[pid] else { return }
        // Nobody else accepts the connections that wait at a socket of its own, or at an address that has been removed.
        let ownsSockets = configuration.reusePort && child.index >= state.target
        let isAlone = ownsSockets || listeners?.hasFormer(forAge: child.age) == true
        let command = command == .retire && isAlone ? .retireAlone : command
        var byte = command.rawValue
        let wasSent = send(child.control, &byte, 1, Int32(MSG_NOSIGNAL)) == 1
        if let number = command.signal, command != .reopenLogs || !wasSent { kill(pid, number) }
    }

    /// The same to all that there are.
    package func tellWorkers(_ command: ControlCommand) {
        for pid in children.keys { tell(pid, command) }
    }

    private func readControl(of pid: Int32) {
        guard let child = children[pid] else { return }
        withUnsafeTemporaryAllocation(byteCount: 64, alignment: 1) { bytes in
            while true {
                let count = read(child.control, bytes.baseAddress, bytes.count)
                if count < 0, errno == EINTR { continue }
                // End of file has no meaning here: SIGCHLD tells that a worker has ended.
                if count == 0 { child.watcher.stop() }
                guard count > 0 else { return }
                for byte in bytes[..<count] {
                    let message = ControlMessage(rawValue: byte)
                    switch message {
                    case .ready: enqueue(.workerReady(pid: pid))
                    case .replaceMe, .hasServed, .hasLived, .isLarge, .isTold:
                        enqueue(.workerWantsReplacement(pid: pid, because: message?.replacementCause))
                    case .closed: enqueue(.workerClosed(pid: pid))
                    case .finished: enqueue(.workerFinished(pid: pid))
                    case .changed: enqueue(.filesChanged(pid: pid))
                    case .reopened: reopened(pid)
                    case nil: continue
                    }
                }
            }
        }
    }
}

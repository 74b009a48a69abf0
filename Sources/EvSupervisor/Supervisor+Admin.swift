// The admin process: forked by the master beside the workers, kept alive, told of workers and of what happens, and the
// last to go. It has sockets of its own, and none of the workers'. If it fails, nothing else notices.
package import EvBus
package import EvLoop
import Glibc
import Logging

/// What the admin process starts with. Signals are as in a new worker.
package struct AdminContext {
    /// A worker that runs already, with the admin process's end of its channel.
    package struct Worker {
        package let identity: WorkerIdentity
        package let slot: Int
        package let channel: Int32
    }

    package let listeners: [ListeningSocket]
    /// Where it takes messages for requests that are held.
    package let publishing: [ListeningSocket]
    /// Where the workers listen, as it was when the process was started.
    package let addresses: [String]
    /// A packet socket: write ``AdminRequest``, read ``AdminMessage``; its end means that the master has ended.
    package let controlFileDescriptor: Int32
    package let scoreboard: Scoreboard
    package let board: Board
    package let workers: [Worker]
    package let history: MasterHistory
    /// Its place among those that send each other messages; nil if there could be none.
    package let bus: BusSeat?
    /// Whether it may have missed what others have published: the server ran before it.
    package let isLate: Bool
    package let master: Int32
}

/// The master's side of it.
struct AdminSide {
    let body: ((AdminContext) -> Int32)?
    var keeper = AdminKeeper()
    var listeners: ListenerSet?
    var board: Board?
    var child: (pid: Int32, socket: PacketSocket)?
    /// As it was reaped.
    var end: ExitStatus?
    var history = MasterHistory()
    /// The worker whose end is being handled, and why it has ended.
    var ending: (worker: WorkerIdentity, cause: EndCause)?
    /// What the watchdog has said of workers that live still.
    var hangs: [Int32: String] = [:]

    init(_ body: ((AdminContext) -> Int32)?) { self.body = body }

    /// How long the admin process may take to end, in seconds.
    static let farewell = 1.0
}

extension Supervisor {
    /// Opens its sockets. To be called before workers are forked.
    func openAdmin() throws {
        guard admin.body != nil, configuration.hasAdmin else { return }
        admin.board = try Board(capacity: slotCount)
        admin.listeners = try ListenerSet(
            configuration.adminBinds + configuration.publishBinds, backlog: 128, reusePort: false,
            options: configuration.adminListening,
            handover: handover?.keeping { [configuration] in configuration.isOfAdmin($0) })
        for socket in admin.listeners?.addresses ?? [] {
            logger.info("\(configuration.isForPublishing(socket) ? "Publishing" : "Admin listening") at: \(socket)")
        }
        publishCounters(isTick: true)
        // The former master's answers until it has ended.
        if !state.hasFormerMaster { admin.keeper.begin(at: EventLoop.monotonicNow()) }
    }

    /// Starts the admin process if it is due, and buries one that has ended. Called between two events.
    func keepAdmin(_ now: Double) {
        if let end = admin.end, let pid = admin.child?.pid {
            admin.child?.socket.close()
            admin.child = nil
            admin.end = nil
            commands.forgetWhoWaits()
            requests = []
            leaveBus(nil)
            let pause = admin.keeper.ended(at: now)
            logger.error("The admin process (pid: \(pid)) \(end); next start in \(rounded(pause)) s")
        }
        if let due = admin.keeper.startsAt, due <= now, admin.child == nil { spawnAdmin(now) }
    }

    private func spawnAdmin(_ now: Double) {
        guard let body = admin.body, let scoreboard, let board = admin.board, let listeners = admin.listeners, let loop
        else { return admin.keeper.giveUp() }
        let master = getpid()
        let pid: Int32?
        let ends: (Int32, Int32)
        // Before the fork: the child may be asked before this process runs again.
        var counted = state.tally
        counted.count(.adminStarts)
        counted.publish(to: board.master)
        let seat = joinBus(nil)
        do throws(SystemError) {
            ends = try PacketSocket.pair()
            do throws(SystemError) {
                pid = try forkHooks.fork(holding: WorkerContext.signals)
            } catch {
                Socket.close(ends.0)
                Socket.close(ends.1)
                throw error
            }
        } catch {
            leaveBus(nil)
            let pause = admin.keeper.ended(at: now)
            logger.error("Cannot start the admin process: \(error); next attempt in \(rounded(pause)) s")
            return
        }
        guard let pid else {
            forkHooks.inChild()
            Socket.close(ends.0)
            let workers = children.map { pid, child in
                AdminContext.Worker(
                    identity: WorkerIdentity(index: child.index, age: child.age, pid: pid), slot: child.slotIndex,
                    channel: child.questions)
            }
            leaveMaster(keepsQuestions: true)
            let served = servedAddresses
            self.listeners?.close()
            if let seat { seat.ground.enter(seat.place) }
            scoreboard.closeFile()
            Fork.endWithParent(master)
            let isForPublishing = configuration.isForPublishing
            let context = AdminContext(
                listeners: listeners.addresses.filter { !isForPublishing($0) },
                publishing: listeners.addresses.filter(isForPublishing),
                addresses: served, controlFileDescriptor: ends.1,
                scoreboard: scoreboard, board: board,
                workers: workers, history: admin.history, bus: seat,
                isLate: handover != nil || seat.map { $0.age > 1 } == true, master: master)
            Fork.exitChild(body(context))
        }
        Socket.close(ends.1)
        admin.keeper.started(at: now)
        state.tally = counted
        let socket = PacketSocket(loop, fileDescriptor: ends.0) { [unowned self] bytes, descriptor in
            if let descriptor { Socket.close(descriptor) }
            if let request = AdminRequest(bytes) { return enqueue(request) }
            if let request = StackRequest(bytes) { answer(request) }
        } onEnd: { [unowned self] in
            self.loop?.stop()
        }
        admin.child = (pid, socket)
        logger.debug("Admin process started (pid: \(pid))")
    }

    /// Whether the child is the admin process, whose end is noted then.
    func adminEnded(_ pid: Int32, _ status: ExitStatus) -> Bool {
        guard admin.child?.pid == pid else { return false }
        admin.end = status
        loop?.stop()
        return true
    }

    // MARK: what it is told

    func tellAdmin(_ message: AdminMessage, descriptor: Int32? = nil) {
        admin.child?.socket.send(message.bytes, descriptor: descriptor)
    }

    /// Notes a line of the log.
    func tellAdmin(_ notice: Notice) { tellAdmin(notice.level, of: notice.pid, notice.text) }

    func tellAdmin(_ level: Logger.Level, of pid: Int32?, _ text: String) {
        guard admin.board != nil else { return }
        var cause: EndCause?
        var worker = pid.flatMap { state.identity(of: $0) ?? former($0) }
        if let ending = admin.ending, ending.worker.pid == pid {
            (worker, cause) = (ending.worker, ending.cause)
            admin.ending = nil
        }
        let event = MasterEvent(
            time: EventLoop.wallNow(), level: level.rawValue, worker: worker, text: text, cause: cause)
        admin.history.append(event)
        tellAdmin(.event(event))
    }

    /// To be called before the end of a child is handled.
    func beginsToEnd(_ worker: WorkerIdentity, _ status: ExitStatus) {
        guard admin.board != nil else { return }
        admin.ending = state.cause(ofEnd: worker.pid, status).map { (worker, $0) }
    }

    /// Tells of an end of which the log has had no line, or had it before.
    func hasEnded(_ worker: WorkerIdentity, _ status: ExitStatus) {
        let hang = admin.hangs.removeValue(forKey: worker.pid)
        guard admin.ending?.worker == worker else { return }
        tellAdmin(.error, of: worker.pid, hang ?? "Worker (pid: \(worker.pid)) \(status)")
        admin.ending = nil
    }

    /// The worker with this process id, as the events know it.
    private func former(_ pid: Int32) -> WorkerIdentity? {
        admin.history.events.last { $0.worker?.pid == pid }?.worker
    }

    // MARK: the end

    /// Lets the admin process say its last word, and waits for it. All workers are gone.
    func endAdmin() {
        admin.keeper.giveUp()
        var outlives = false
        for case .tell(let message) in commands.end(state) {
            if case .leaves = message {
                outlives = masters.next != nil
                tellAdmin(message, descriptor: masters.next?.fileDescriptor)
            } else {
                tellAdmin(message)
            }
        }
        guard let (pid, socket) = admin.child, let loop else { return }
        if !outlives { socket.close() }
        let limit = EventLoop.monotonicNow() + AdminSide.farewell
        let timer = TimerWatcher(loop) { loop.stop() }
        timer.start(after: AdminSide.farewell)
        // The one that stays after this master, for whoever waits for an upgrade, closes its end of the channel.
        while admin.end == nil, !(outlives && socket.isClosed), EventLoop.monotonicNow() < limit { loop.run() }
        if admin.end == nil, !(outlives && socket.isClosed) {
            kill(pid, SIGKILL)
            _ = waitpid(pid, nil, 0)
        }
        admin.child = nil
        if admin.end != nil { leaveBus(nil) }
    }
}

extension SupervisorConfiguration {
    func isOfAdmin(_ socket: Handover.Socket) -> Bool {
        adminBinds.contains { $0.text == socket.address } || publishBinds.contains { $0.text == socket.address }
    }

    func isForPublishing(_ socket: ListeningSocket) -> Bool { publishBinds.contains(socket.address) }
}

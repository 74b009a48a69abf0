// The admin process's side of the channels: one to the master, and one to each worker. Workers are asked when their
// loops turn; one that does not answer in time is told of from shared memory by whoever asks here.

import EvBus
package import EvLoop
package import EvSupervisor

@LoopActor
package final class ServerLink {
    /// A worker that runs.
    package struct Worker: Sendable {
        package let identity: WorkerIdentity
        /// Its slot's number, and its place on the bus.
        package let place: Int
        package let slot: ScoreboardSlot
        package let report: WorkerReport
    }

    package let scoreboard: Scoreboard
    package let board: Board
    package let master: Int32
    /// Where the workers listen.
    package private(set) var addresses: [String]
    package private(set) var history: MasterHistory
    /// Called once, when the master has ended or says its last word: nothing is to be begun any more, and what runs
    /// has so many seconds.
    package var onEnd: ((_ seconds: Double) -> Void)?

    let loop: EventLoop
    /// Of this process, and what connects it with other servers.
    var bus: Bus?
    var redis: RedisLink?
    private var control: PacketSocket?
    private var channels: [Int32: (worker: Worker, socket: PacketSocket)] = [:]
    private var questions: [UInt32: Question] = [:]
    private var commands: [UInt64: (command: MasterCommand, watcher: CommandWatcher)] = [:]
    private var hasEnded = false
    /// Held open by the next master until it serves alone.
    private var successor: PacketSocket?
    private var lastQuestion: UInt32 = 0
    private var lastCommand: UInt64 = 0
    private var stacks: [UInt64: Stack] = [:]

    private struct Stack {
        let continuation: CheckedContinuation<String, Never>
        let timer: TimerWatcher
        var text = ""
    }

    /// Seconds that the master has for a stack; it waits half a second for a worker.
    private static let stackPatience = 1.0

    private struct Question {
        let pid: Int32
        let continuation: CheckedContinuation<[UInt8]?, Never>
        let timer: TimerWatcher
        let patience: Double
        var bytes: [UInt8] = []
    }

    /// What a command has come to, step by step; the last step says whether it has succeeded.
    package typealias CommandWatcher = (_ text: String, _ succeeded: Bool?) -> Void

    /// What may take longer than the master's end, in seconds.
    private static let farewell = 0.5
    /// How long the next master may take to serve alone when the former one has ended.
    private static let succession = 2.0

    /// No answer of a worker is longer, whatever its app does.
    private static let longestAnswer = 16 << 20

    package init(_ context: AdminContext, _ loop: EventLoop) {
        scoreboard = context.scoreboard
        board = context.board
        master = context.master
        addresses = context.addresses
        history = context.history
        self.loop = loop
        let descriptor = context.controlFileDescriptor
        control = PacketSocket(loop, fileDescriptor: descriptor) { [unowned self] bytes, descriptor in
            LoopActor.assumeIsolated { self.received(bytes, descriptor) }
        } onEnd: { [unowned self] in
            LoopActor.assumeIsolated { self.masterEnded() }
        }
        for worker in context.workers { add(worker.identity, slot: worker.slot, channel: worker.channel) }
    }

    /// In the order of their places, the older of two first.
    package var workers: [Worker] {
        channels.values.map(\.worker).sorted {
            ($0.identity.index, $0.identity.age) < ($1.identity.index, $1.identity.age)
        }
    }

    // MARK: the master

    private func received(_ bytes: UnsafeRawBufferPointer, _ descriptor: Int32?) {
        guard let message = AdminMessage(bytes) else {
            if let descriptor { Socket.close(descriptor) }
            return
        }
        switch message {
        case .worker(let identity, let slot):
            if let descriptor { add(identity, slot: slot, channel: descriptor) }
        case .addresses(let now): addresses = now
        case .event(let event):
            history.append(event)
        case .progress(let command, let text):
            if stacks[command] != nil { stacks[command]?.text += text }
            commands[command]?.watcher(text, nil)
        case .done(let command, let succeeded, let text):
            if stacks[command] != nil { return finishStack(command) }
            guard let (asked, watcher) = commands.removeValue(forKey: command) else { return }
            // Who reads this may start a server at the same address at once.
            if case .stop = asked, succeeded { end(Self.farewell) }
            watcher(text, succeeded)
        case .leaves(let command, let text):
            guard let descriptor else { return masterEnded() }
            outlive(descriptor, command, text)
        }
    }

    private func end(_ seconds: Double) {
        guard !hasEnded else { return }
        hasEnded = true
        onEnd?(seconds)
    }

    private func masterEnded() {
        control?.close()
        control = nil
        end(Self.farewell)
        for (command, watcher) in commands.values {
            if case .stop = command {
                watcher("The server has stopped", true)
            } else {
                watcher("The master has ended", false)
            }
        }
        commands = [:]
    }

    /// Stays after the master until the next one serves alone, as whoever waits for an upgrade wants to know.
    private func outlive(_ descriptor: Int32, _ command: UInt64, _ text: String) {
        guard commands[command] != nil else {
            Socket.close(descriptor)
            return masterEnded()
        }
        Fork.outliveParent()
        control?.close()
        control = nil
        end(Self.succession)
        successor = PacketSocket(loop, fileDescriptor: descriptor) { _, descriptor in
            if let descriptor { Socket.close(descriptor) }
        } onEnd: { [unowned self] in
            LoopActor.assumeIsolated {
                commands.removeValue(forKey: command)?.watcher(text, true)
                masterEnded()
            }
        }
    }

    /// Asks the master to do something.
    ///
    /// - Returns: the command's number, for ``forget(command:)``; nil if it cannot be sent, which `watcher` is told.
    @discardableResult
    package func obey(_ command: MasterCommand, _ watcher: @escaping CommandWatcher) -> UInt64? {
        lastCommand += 1
        let request = AdminRequest(number: lastCommand, command: command)
        commands[lastCommand] = (command, watcher)
        guard control?.send(request.bytes) == true else {
            commands.removeValue(forKey: lastCommand)?.watcher("The master cannot be reached", false)
            return nil
        }
        return lastCommand
    }

    /// Asks the master for the stack of a worker that does not answer itself.
    ///
    /// - Returns: lines as Python's faulthandler writes them; empty if there are none to be had.
    package func stack(of worker: Worker) async -> String {
        lastCommand += 1
        let number = lastCommand
        guard control?.send(StackRequest(number: number, pid: worker.identity.pid).bytes) == true else { return "" }
        return await withCheckedContinuation { continuation in
            let timer = TimerWatcher(loop) { [unowned self] in
                LoopActor.assumeIsolated { self.finishStack(number) }
            }
            timer.start(after: Self.stackPatience)
            stacks[number] = Stack(continuation: continuation, timer: timer)
        }
    }

    private func finishStack(_ number: UInt64) {
        guard let stack = stacks.removeValue(forKey: number) else { return }
        stack.timer.stop()
        stack.continuation.resume(returning: stack.text)
    }

    /// Nobody waits for this command any more. It goes on.
    package func forget(command: UInt64) { commands[command] = nil }

    // MARK: workers

    private func add(_ identity: WorkerIdentity, slot: Int, channel: Int32) {
        guard (0..<scoreboard.count).contains(slot) else { return Socket.close(channel) }
        let worker = Worker(identity: identity, place: slot, slot: scoreboard[slot], report: board[slot])
        let pid = identity.pid
        let socket = PacketSocket(loop, fileDescriptor: channel) { [unowned self] bytes, descriptor in
            if let descriptor { Socket.close(descriptor) }
            LoopActor.assumeIsolated { if let answer = WorkerAnswer(bytes) { self.received(answer, from: pid) } }
        } onEnd: { [unowned self] in
            LoopActor.assumeIsolated { self.workerEnded(pid) }
        }
        channels[pid] = (worker, socket)
    }

    private func workerEnded(_ pid: Int32) {
        channels[pid] = nil
        for (number, question) in questions where question.pid == pid { finish(number, nil) }
    }

    /// Asks a worker.
    ///
    /// - Returns: nil if it says nothing for `seconds` before its answer is complete, or has ended.
    package func ask(_ subject: WorkerQuestion.Subject, of worker: Worker, atMost seconds: Double) async -> [UInt8]? {
        lastQuestion &+= 1
        let number = lastQuestion
        let pid = worker.identity.pid
        guard let socket = channels[pid]?.socket,
            socket.send(WorkerQuestion(number: number, subject: subject).bytes)
        else { return nil }
        return await withCheckedContinuation { continuation in
            let timer = TimerWatcher(loop) { [unowned self] in
                LoopActor.assumeIsolated { self.finish(number, nil) }
            }
            timer.start(after: seconds)
            questions[number] = Question(pid: pid, continuation: continuation, timer: timer, patience: seconds)
        }
    }

    private func received(_ answer: WorkerAnswer, from pid: Int32) {
        guard questions[answer.number]?.pid == pid else { return }
        questions[answer.number]?.bytes += answer.bytes
        guard let bytes = questions[answer.number]?.bytes, bytes.count <= Self.longestAnswer else {
            return finish(answer.number, nil)
        }
        if answer.isLast { return finish(answer.number, bytes) }
        if let question = questions[answer.number] { question.timer.start(after: question.patience) }
    }

    private func finish(_ number: UInt32, _ bytes: [UInt8]?) {
        guard let question = questions.removeValue(forKey: number) else { return }
        question.timer.stop()
        question.continuation.resume(returning: bytes)
    }
}

// What the admin process asks this worker, and the answers.

import EvAdmin
import EvLoop
import EvServer
import EvSupervisor
import JSONText

extension WorkerProcess {
    func watchQuestions() {
        guard let descriptor = context.questions else { return }
        questions = PacketSocket(loop, fileDescriptor: descriptor) { [unowned self] bytes, descriptor in
            if let descriptor { Socket.close(descriptor) }
            LoopActor.assumeIsolated { if let question = WorkerQuestion(bytes) { self.answer(question) } }
        }
    }

    private func answer(_ question: WorkerQuestion) {
        switch question.subject {
        case .connections: tables.begin(question.number, of: worker, loop) { [unowned self] in send($0) }
        case .stacks:
            collectStacks { [self] stacks in
                for packet in WorkerAnswer.packets(number: question.number, stacks.json) { send(packet) }
            }
        }
    }

    private func send(_ packet: [UInt8]) { questions?.send(packet) }

    /// Once a second, for the time when this loop turns no more.
    func reportConnections() {
        guard let text = context.report?.connections, let worker else { return }
        text.set(worker.tableOfEnds(capacity: text.capacity))
    }
}

/// Tables of connections on their way, a slice in each turn of the loop.
@LoopActor
final class TableAnswers {
    private var tables: [(number: UInt32, table: ConnectionTable)] = []
    private var timer: TimerWatcher?
    private var send: (([UInt8]) -> Void)?

    /// Whoever asks more often than this is not answered.
    private static let most = 8

    func begin(_ number: UInt32, of worker: Worker?, _ loop: EventLoop, _ send: @escaping ([UInt8]) -> Void) {
        guard let worker, tables.count < Self.most else { return }
        self.send = send
        tables.append((number, ConnectionTable(of: worker)))
        if timer == nil { timer = TimerWatcher(loop) { [unowned self] in self.goOn() } }
        if tables.count == 1 { goOn() }
    }

    private func goOn() {
        guard let (number, table) = tables.first, let send else { return }
        let bytes = table.next()
        for packet in WorkerAnswer.packets(number: number, bytes, isLast: table.isAtEnd) { send(packet) }
        if table.isAtEnd { tables.removeFirst() }
        if !tables.isEmpty { timer?.start(after: 0) }
    }
}

extension CodeStacks {
    /// `{"stacks": [{"kind", "name", "request": {"method", "target", "client", "age", "state"} or null,
    /// "frames": [text]}], "left_out": number}`
    package var json: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.array("stacks") { json in for stack in stacks { json.object { stack.write(to: &$0) } } }
            json.member("left_out", leftOut)
        }
        return json.bytes
    }
}

extension CodeStack {
    fileprivate func write(to json: inout JSONWriter) {
        json.member("kind", kind.rawValue)
        json.member("name", name)
        if let request {
            json.object("request") { json in
                json.member("method", request.method)
                json.member("target", request.path)
                json.member("client", request.client)
                json.member("age", request.age)
                json.member("state", word: request.state.phrase)
            }
        } else {
            json.member("request", nil as String?)
        }
        json.array("frames") { json in for frame in frames { json.string(frame) } }
    }
}

// What the admin process asks this worker, and the answers.

import EvAdmin
import EvLoop
import EvServer
import EvSupervisor

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
        case .connections: send(Array("[]".utf8), to: question)
        case .stacks: collectStacks { [self] in send($0.json, to: question) }
        }
    }

    private func send(_ bytes: [UInt8], to question: WorkerQuestion) {
        for packet in WorkerAnswer.packets(number: question.number, bytes) { questions?.send(packet) }
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
                json.member("state", request.state.rawValue)
            }
        } else {
            json.member("request", nil as String?)
        }
        json.array("frames") { json in for frame in frames { json.string(frame) } }
    }
}

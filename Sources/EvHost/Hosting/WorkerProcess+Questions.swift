// What the admin process asks this worker, and the answers.

import EvLoop
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
        let bytes: [UInt8] =
            switch question.subject {
            case .connections: Array("[]".utf8)
            case .stacks: Array("[]".utf8)
            }
        for packet in WorkerAnswer.packets(number: question.number, bytes) { questions?.send(packet) }
    }
}

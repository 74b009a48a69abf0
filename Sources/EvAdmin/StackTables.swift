// What the code of workers does now: from each worker itself where its loop turns, else as the interpreter writes it
// when a signal tells it to, which the master reads. Law: as for connections, nobody waits for a worker that stands
// still, and a worker is asked once for everybody who looks.

import EvLoop
import EvSupervisor

@LoopActor
final class StackTables {
    private let link: ServerLink
    private var asked: [Int32: Task<Answer, Never>] = [:]

    /// To collect the stacks of thousands of requests takes a worker some time.
    private static let patience = 0.25

    private enum Answer {
        /// JSON of the worker's own.
        case live([UInt8])
        case signal(String)
    }

    init(_ link: ServerLink) { self.link = link }

    /// - Parameter index: of the workers to tell of; nil for all.
    func json(ofWorker index: Int?) async -> [UInt8] {
        let workers = link.workers.filter { index == nil || $0.identity.index == index }
        // All are asked before the first answer is awaited.
        let answers = workers.map { ($0, answer(of: $0)) }
        var sections: [(ServerLink.Worker, Answer)] = []
        for (worker, task) in answers { sections.append((worker, await task.value)) }
        var json = JSONWriter()
        json.object { json in
            json.array("workers") { json in
                for (worker, answer) in sections { json.object { Self.write(worker, answer, &$0) } }
            }
        }
        return json.bytes
    }

    private static func write(_ worker: ServerLink.Worker, _ answer: Answer, _ json: inout JSONWriter) {
        json.member("worker", worker.identity.index)
        json.member("age", worker.identity.age)
        json.member("pid", worker.identity.pid)
        switch answer {
        case .live(let bytes):
            json.member("source", "live")
            json.members(of: bytes)
            json.member("text", nil as String?)
        case .signal(let text):
            json.member("source", "signal")
            json.array("stacks") { _ in }
            json.member("left_out", 0)
            json.member("text", text.isEmpty ? nil : text)
        }
    }

    private func answer(of worker: ServerLink.Worker) -> Task<Answer, Never> {
        let pid = worker.identity.pid
        if let running = asked[pid] { return running }
        var isDone = false
        let task = Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
            let answer = await self.ask(worker)
            isDone = true
            self.asked[pid] = nil
            return answer
        }
        if !isDone { asked[pid] = task }
        return task
    }

    private func ask(_ worker: ServerLink.Worker) async -> Answer {
        let silence = EventLoop.monotonicNow() - worker.slot.heartbeat
        if silence < ConnectionTables.silence,
            let bytes = await link.ask(.stacks, of: worker, atMost: Self.patience)
        {
            return .live(bytes)
        }
        return .signal(await link.stack(of: worker))
    }
}

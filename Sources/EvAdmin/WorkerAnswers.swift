// What workers are asked for. Law: all are asked before the first answer is awaited, and a worker is asked once for
// everybody who looks meanwhile.

import EvLoop
import EvSupervisor
import JSONText

@LoopActor
final class WorkerAnswers<Answer: Sendable> {
    private let link: ServerLink
    /// Seconds for which an answer is shown to others who ask.
    private let freshness: Double
    private let ask: @LoopActor (ServerLink.Worker) async -> Answer
    private var asked: [Int32: Task<Answer, Never>] = [:]
    private var recent: [Int32: (made: Double, answer: Answer)] = [:]

    /// - Parameter ask: returns what is known of a worker, in a bounded time.
    init(
        _ link: ServerLink, freshness: Double = 0, ask: @escaping @LoopActor (ServerLink.Worker) async -> Answer
    ) {
        self.link = link
        self.freshness = freshness
        self.ask = ask
    }

    /// An object with an array `workers`, of which each element begins with whose it is.
    ///
    /// - Parameter index: of the workers to tell of; nil for all.
    func json(
        ofWorker index: Int?, _ write: @LoopActor (Answer, inout JSONWriter) -> Void
    ) async -> [UInt8] {
        let workers = link.workers.filter { index == nil || $0.identity.index == index }
        let tasks = workers.map { ($0.identity, answer(of: $0)) }
        var answers: [(WorkerIdentity, Answer)] = []
        for (identity, task) in tasks { answers.append((identity, await task.value)) }
        var json = JSONWriter()
        json.object { json in
            json.array("workers") { json in
                for (identity, answer) in answers {
                    json.object { json in
                        json.member("worker", identity.index)
                        json.member("age", identity.age)
                        json.member("pid", identity.pid)
                        write(answer, &json)
                    }
                }
            }
        }
        return json.bytes
    }

    private func answer(of worker: ServerLink.Worker) -> Task<Answer, Never> {
        let pid = worker.identity.pid
        if let running = asked[pid] { return running }
        let now = EventLoop.monotonicNow()
        recent = recent.filter { now - $1.made < freshness }
        let known = recent[pid]?.answer
        var isDone = known != nil
        let task = Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
            if let known { return known }
            let answer = await self.ask(worker)
            if self.freshness > 0 { self.recent[pid] = (EventLoop.monotonicNow(), answer) }
            isDone = true
            self.asked[pid] = nil
            return answer
        }
        // One that has its answer already is awaited by nobody else.
        if !isDone { asked[pid] = task }
        return task
    }
}

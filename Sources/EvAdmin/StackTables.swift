// What the code of workers does now: from each worker itself where its loop turns, else as the interpreter writes it
// when a signal tells it to, which the master reads. Law: as for connections, nobody waits for a worker that stands
// still.

import EvLoop
import JSONText
import EvSupervisor

@LoopActor
final class StackTables {
    private enum Answer {
        /// JSON of the worker's own.
        case live([UInt8])
        case signal(String)
    }

    private let answers: WorkerAnswers<Answer>

    /// To collect the stacks of thousands of requests takes a worker some time.
    private static let patience = 0.25

    init(_ link: ServerLink) { answers = WorkerAnswers(link) { await Self.ask($0, by: link) } }

    /// - Parameter index: of the workers to tell of; nil for all.
    func json(ofWorker index: Int?) async -> [UInt8] {
        await answers.json(ofWorker: index) { answer, json in
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
    }

    private static func ask(_ worker: ServerLink.Worker, by link: ServerLink) async -> Answer {
        let silence = EventLoop.monotonicNow() - worker.slot.heartbeat
        if silence < ConnectionTables.silence, let bytes = await link.ask(.stacks, of: worker, atMost: patience) {
            return .live(bytes)
        }
        return .signal(await link.stack(of: worker))
    }
}

// An answer that instructs the server (GRIP) does not leave as it is: it is read, and says whether the request is held.
// Law: without `--grip` nothing is diverted; of a stream the head and the first bytes leave at once.

import EvLoop
import GRIP
import HTTPCore
import Logging

/// An answer of the app's that tells how to hold its request.
@LoopActor
final class InstructedAnswer {
    let status: Int
    let reason: [UInt8]
    /// The app's field lines, GRIP's own among them.
    let lines: [UInt8]
    let closes: Bool
    /// How often the app was called for this request before.
    let replays: UInt8
    private(set) var body: [UInt8] = []
    /// Of a stream, whose head has left.
    var instruction: Instruction?
    /// That stream, which listens already. It knows the exchange: whoever ends that gives it up.
    var hold: Hold?

    /// Bytes of a body that is read as a whole, as in Pushpin.
    private static let bodyLimit = 100_000

    fileprivate init(_ head: borrowing ResponseHead, replays: UInt8) {
        status = head.status
        reason = Array(head.reason)
        lines = Array(head.lines)
        closes = head.closes
        self.replays = replays
    }

    /// Returns false when the body is longer than it may be.
    fileprivate func append(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard bytes.count <= Self.bodyLimit - body.count else { return false }
        body.append(contentsOf: bytes)
        return true
    }
}

/// A request whose app is called again with the same request.
final class Replay: Sendable {
    let count: UInt8
    init(_ count: UInt8) { self.count = count }
}

extension Exchange {
    /// What has come of the request when its app has said that it is to be held.
    var hold: Hold? { if case .held(let hold) = upgrade { hold } else { nil } }

    /// Takes an answer that instructs the server.
    ///
    /// - Returns: false where it is an answer as others are.
    func takesInstruction(_ head: borrowing ResponseHead, _ first: UnsafeRawBufferPointer) -> Bool {
        guard let holds = worker.holds, isForApp, !carrier.isLink else { return false }
        let replays: UInt8 = if case .replayed(let replay) = upgrade { replay.count } else { 0 }
        let answer = InstructedAnswer(head, replays: replays)
        upgrade = .instructed(answer)
        response = .instructing
        do throws(GRIPError) {
            let instruction = try Instruction(lines: answer.lines, status: answer.status)
            guard instruction.beginsAtOnce, !self.head.isHead else {
                _ = instruct(first)
                return true
            }
            answer.instruction = instruction
            try holds.beginStream(self, answer, instruction, first)
        } catch {
            refuse(error)
        }
        return true
    }

    /// Takes bytes of the body of such an answer.
    func instruct(_ bytes: UnsafeRawBufferPointer) -> WriteResult {
        guard response == .instructing, case .instructed(let answer) = upgrade else { return .gone }
        guard answer.append(bytes) else {
            refuse(GRIPError("its body is too large"))
            return .gone
        }
        return .ok
    }

    /// The app has given all of it.
    func finishInstruction() {
        guard case .instructed(let answer) = upgrade, let holds = worker.holds else { return }
        guard response == .instructing else { return }
        forgetInstruction()
        do throws(GRIPError) {
            try holds.take(self, answer)
        } catch {
            refuse(error)
        }
    }

    /// The first bytes of a stream have been given.
    func streamHasBegun() -> Bool {
        guard case .instructed(let answer) = upgrade, let instruction = answer.instruction else { return false }
        upgrade = .none
        do throws(GRIPError) {
            try worker.holds?.hold(self, answer, instruction)
        } catch {
            logRefusal(error)
            fail()
        }
        return true
    }

    /// No answer has been given.
    func forgetInstruction() {
        switch upgrade {
        case .held(let hold): hold.forget()
        case .instructed(let answer): answer.giveUp()
        default: return
        }
        upgrade = .none
        response = .awaited
    }

    /// An instruction that cannot be followed is answered as Pushpin does.
    private func refuse(_ error: GRIPError) {
        forgetInstruction()
        logRefusal(error)
        answerBadInstruction()
    }

    func answerBadInstruction() {
        do throws(ResponseHeadError) {
            try responseHead.pointee.begin(status: 502)
            try responseHead.pointee.append("Content-Type", "text/plain")
            respond(responseHead.pointee, body: ("Error while proxying to origin.\n" as StaticString).bytes)
        } catch {
            fail(status: 502)
        }
    }

    private func logRefusal(_ error: GRIPError) {
        worker.logger.error(
            "The app's GRIP instruction cannot be followed",
            metadata: requestMetadata.merging(["reason": "\(error)"]) { $1 })
    }
}

extension Instruction {
    /// The head and the first bytes leave before the rest is known.
    fileprivate var beginsAtOnce: Bool {
        guard hold == .stream || hold == nil && next != nil else { return false }
        return !awaitsJSON && !channels.contains { $0.filters.contains(where: \.changesResponse) }
    }
}

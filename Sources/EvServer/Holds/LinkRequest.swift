// A request that the server makes to its own app, for a stream that goes on or for a client that has left. Law: it is
// an exchange as others are, in the same worker; its answer goes to the hold, and no further than that has room for.

import EvLoop
import GRIP
import HTTP1
import HTTPCore
import Logging

final class LinkRequest: Waiter, ResponseCarrier {
    /// Nil where nobody waits for the answer.
    private weak var asker: Hold?
    let connection: Connection
    private let target: [UInt8]
    private let host: [UInt8]
    private var running: Exchange?
    private var instruction: Instruction?
    private(set) var hasSent = false

    /// - Parameter isLast: the client has left, or has been answered.
    init(_ hold: Hold, target: [UInt8], isLast: Bool) {
        guard let base = hold.base else { preconditionFailure("a hold has a connection until it has ended") }
        asker = isLast ? nil : hold
        connection = base
        self.target = target
        host = hold.extras?.host ?? []
    }

    override var exchange: Exchange? { running }
    override var hold: Hold? { nil }
    private var worker: Worker { connection.worker }

    /// Tells the app that a hold has ended.
    static func tell(_ target: [UInt8], of hold: Hold) {
        guard hold.base?.worker.isQuitting == false else { return }
        let link = LinkRequest(hold, target: target, isLast: true)
        // Not within whatever has ended the hold.
        LoopExecutor.shared.later { _ = link.start("POST", []) }
    }

    /// Returns false when the request cannot be made.
    func start(_ method: StaticString, _ last: [LastID]) -> Bool {
        var text = Array("\(method) ".utf8) + target + Array(" HTTP/1.1\r\nHost: ".utf8) + host
        text += Array((asker == nil ? "\r\nContent-Length: 0\r\n\r\n" : "\r\n\r\n").utf8)
        guard let head = HeldHead(bytes: text).parsed() else { return false }
        let exchange = Exchange(heldSince: worker.requestTime, head, .other(self), telling: last)
        running = exchange
        worker.deadlines.begin(.active, self)
        exchange.run()
        return true
    }

    /// The answer is not wanted any more.
    func giveUp() {
        asker = nil
        leave()?.clientLeft()
    }

    private func leave() -> Exchange? {
        let exchange = running
        running = nil
        worker.deadlines.remove(self)
        return exchange
    }

    override func endOfDrain() { running?.giveUp() }
    override func abort() { giveUp() }
    func drained() { running?.outputDrained() }

    // MARK: the answer

    func begin(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ first: UnsafeRawBufferPointer) {
        guard let asker else { return }
        guard (200..<300).contains(head.status) else { return }
        do throws(GRIPError) {
            let instruction = try Instruction(lines: Array(head.lines), status: head.status)
            guard !instruction.awaitsJSON, asker.linkAnswers(instruction) else {
                throw GRIPError("the next link gave an answer that is no stream")
            }
            self.instruction = instruction
        } catch {
            worker.logger.error("A Grip-Link cannot be followed", metadata: ["reason": "\(error)"])
            hasSent = true
            return
        }
        if !first.isEmpty { write(first) }
    }

    func respond(_ head: borrowing ResponseHead, of response: ResponseBeginning, _ body: UnsafeRawBufferPointer) {
        begin(head, of: response, body)
    }

    func write(_ bytes: UnsafeRawBufferPointer) {
        guard instruction != nil, let asker else { return }
        hasSent = true
        asker.write(Array(bytes))
    }

    func sendEnd(trailers: UnsafeRawBufferPointer) {}

    func finished(isShort: Bool) {
        _ = leave()
        guard let asker else { return }
        // Its next step may be another request, and is not taken inside of this one.
        LoopExecutor.shared.later { [self] in
            guard asker.extras?.link === self else { return }
            if !isShort, let instruction { asker.linkEnded(instruction) } else { asker.linkFailed(hasSent: hasSent) }
        }
    }

    func breakOff() { finished(isShort: true) }

    func beginFile(count: Int) {}
    func endFile() {}
    var sendsFiles: Bool { false }
    func sendContinue() {}
    func bodyWasTaken() {}
    func bodyIsAwaited() {}

    // MARK: back-pressure

    func hasRoom(spools: Bool) -> Bool { asker?.hasRoom ?? true }
    var isDrained: Bool { asker?.isDrained ?? true }
    func spoolIfFull() {}
    func flushBlocking(to count: Int, seconds: Double) { asker?.flushBlocking(to: count, seconds: seconds) }
}

extension Carrier {
    /// The answer goes to a hold.
    var isLink: Bool { if case .other(let carrier) = self { carrier is LinkRequest } else { false } }
}

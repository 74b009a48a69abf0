// Streams whose app has not ended: the client has the head and the first bytes already, and may have somebody publish.
// Law: a stream listens before its first byte leaves; what comes until the app has ended waits, and is sent behind what
// the app has written, or the stream does not look whole.

import EvLoop
import GRIP
import HTTPCore
import Logging

extension HoldTable {
    /// A stream begins: its head and its first bytes leave.
    func beginStream(
        _ exchange: Exchange, _ answer: InstructedAnswer, _ instruction: Instruction, _ first: UnsafeRawBufferPointer
    ) throws(GRIPError) {
        try check(instruction)
        let visible = VisibleAnswer(answer, instruction)
        if instruction.hold != nil {
            let hold = try makeHold(exchange, answer, instruction, visible)
            hold.phase = .opening
            answer.hold = hold
            let hasConflict = conflicts(instruction)
            listen(hold, instruction)
            if hasConflict { hold.update() }
        }
        exchange.response = .awaited
        begin(exchange, visible, Array(first))
        guard exchange.response == .begun else { return answer.giveUp() }
        // There may be no body to stream.
        if exchange.length.isNone {
            answer.giveUp()
            answer.instruction = nil
        }
    }

    /// Holds a stream whose app has ended.
    func hold(_ exchange: Exchange, _ answer: InstructedAnswer, _ instruction: Instruction) throws(GRIPError) {
        guard let hold = answer.hold else {
            return try self.hold(exchange, answer, instruction, VisibleAnswer(answer, instruction))
        }
        guard !exchange.isGone else { return answer.giveUp() }
        answer.hold = nil
        hold.phase = .holding
        note(hold)
        attach(hold, to: exchange)
        hold.keepExtras(of: instruction)
        enlist(hold)
        hold.catchUp()
    }
}

extension InstructedAnswer {
    /// The request is not held.
    func giveUp() {
        hold?.forget()
        hold = nil
    }
}

extension Hold {
    /// Messages that wait while the app answers, and bytes of them beside the first.
    private static let longestQueue = 100
    private static let largestQueue = 1 << 20

    /// Keeps a message until the app has answered. What it answers may know of it already: that is decided then.
    func enqueue(_ item: HeldItem, on channel: HeldChannel) {
        let extras = ownExtras
        let size = item.content.count
        let hasRoom = extras.queue.count < Self.longestQueue && extras.queued + size <= Self.largestQueue
        guard hasRoom || extras.queue.isEmpty else {
            Counted.add(at: Counter.itemsLost)
            return extras.isStale = true
        }
        extras.queued += size
        extras.queue.append((item, channel))
    }

    /// The app has written its part: what has come meanwhile follows.
    fileprivate func catchUp() {
        guard let extras else { return }
        let queue = extras.takeQueue()
        if extras.isStale {
            extras.isStale = false
            guard extras.next == nil else { return update() }
            worker?.logger.info("A held stream ends: too many messages came before its app had ended")
            return breakOff()
        }
        for entry in queue where phase == .holding && subscription(to: entry.channel) != nil {
            stream(entry.item, on: entry.channel)
        }
    }
}

extension HoldExtras {
    func takeQueue() -> [(item: HeldItem, channel: HeldChannel)] {
        let taken = queue
        (queue, queued) = ([], 0)
        return taken
    }
}

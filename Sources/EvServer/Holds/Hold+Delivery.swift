// What a message does to a hold. Law: a message that does not follow the one that the client knows of is not sent; the
// app is asked instead.

import EvLoop
import GRIP
import HTTP1
import HTTPCore
import Logging

extension HeldChannel {
    func insert(_ hold: Hold) -> Int32 {
        emptySince = .infinity
        if hold.mode == .response {
            responses.append(hold)
            return Int32(truncatingIfNeeded: responses.count - 1)
        }
        streams.append(hold)
        return Int32(truncatingIfNeeded: streams.count - 1)
    }

    /// The last one takes the place. An index that is not the hold's is that of an array that is being gone over.
    func remove(_ hold: Hold, at index: Int) {
        if hold.mode == .response {
            Self.remove(hold, at: index, of: &responses, self)
        } else {
            Self.remove(hold, at: index, of: &streams, self)
        }
    }

    private static func remove(_ hold: Hold, at index: Int, of holds: inout [Hold], _ channel: HeldChannel) {
        guard holds.indices.contains(index), holds[index] === hold else { return }
        let last = holds.removeLast()
        guard last !== hold else { return }
        holds[index] = last
        last.setIndex(Int32(truncatingIfNeeded: index), in: channel)
    }

    /// Hands a message to all that listen.
    func send(_ item: HeldItem, _ table: HoldTable) {
        isSending = true
        defer { isSending = false }
        if item.item.response != nil, !responses.isEmpty {
            // Nearly all of them end with it: the array is taken as a whole, and whoever stays comes back.
            let holds = responses
            responses = []
            for hold in holds {
                hold.answer(with: item, on: self)
                guard hold.phase != .ended, hold.subscription(to: self) != nil else { continue }
                hold.setIndex(insert(hold), in: self)
            }
        }
        if item.item.stream != nil { for hold in streams { hold.stream(item, on: self) } }
        if let format = item.item.socket, let sockets { send(item, format, to: sockets) }
    }
}

extension Hold {
    private enum Outcome {
        case nothing
        case send([UInt8]?)
        /// The message does not follow.
        case mismatch
    }

    /// - Parameters:
    ///   - filters: those that the content is made for; nil for whichever.
    ///   - content: made where a filter looks at it.
    private func judge(
        _ item: HeldItem, on channel: HeldChannel, made filters: [[UInt8]]?, _ content: () -> [UInt8]
    ) -> Outcome {
        guard let subscription = subscription(to: channel) else { return .nothing }
        if let known = subscription.previousID {
            guard item.item.previousID == known else { return .mismatch }
            setPreviousID(item.item.id, in: channel)
        }
        if let filters, filters != subscription.filters.contentFilterNames { return .nothing }
        guard !subscription.filters.isEmpty else { return .send(nil) }
        let channels = subscriptions.map { (name: $0.channel.name, previousID: $0.previousID) }
        let context = FilterContext(
            subscription: extras?.meta ?? [], message: item.item.meta, channels: channels)
        switch try? subscription.filters.verdict(on: content(), context) {
        case .send: return .send(nil)
        case .changed(let made): return .send(made)
        case .drop, nil: return .nothing
        }
    }

    // MARK: long polls

    func answer(with item: HeldItem, on channel: HeldChannel) {
        guard phase == .holding, let format = item.item.response else { return }
        let terms = terms
        let outcome = judge(item, on: channel, made: format.contentFilters) {
            item.answer(to: terms, format)?.body ?? []
        }
        switch (outcome, format.action) {
        case (.nothing, _): break
        case (.mismatch, _):
            channel.lastID = nil
            table?.turns.ask(self)
        case (.send(let made), .send):
            guard let answer = item.answer(to: terms, format) else { return }
            countDelivery()
            if made == nil, isPlain, let bytes = item.wire(answer, terms, worker) {
                self.answer(withWhole: bytes, status: answer.status)
            } else {
                send(answer, made ?? answer.body)
            }
        case (.send, .hint), (.send, .refresh): table?.turns.ask(self)
        case (.send, .close): break
        }
    }

    /// Nothing of the answer depends on the request, or on its connection.
    private var isPlain: Bool {
        guard let connection, let worker else { return false }
        return head.isPlain && !terms.closes && worker.accessLog == nil && !worker.tracesRequests
            && worker.keepsConnections && !connection.isHalfClosed && !connection.isSpare && !connection.isEnding
    }

    /// Sends what many are answered with.
    private func answer(withWhole bytes: [UInt8], status: Int) {
        guard let connection, let worker else { return }
        forget()
        Counted.add(at: Counter.responses + status / 100)
        if worker.isMeasured { Counted.recordTime(since: startedAt, at: Counter.duration) }
        connection.transmit(shared: bytes)
        connection.heldResponseFinished(self)
    }

    private func send(_ answer: HeldItem.Answer, _ body: [UInt8]) {
        let closes = terms.closes
        guard let exchange = takeExchange() else { return }
        do throws(ResponseHeadError) {
            let head = exchange.responseHead
            try head.pointee.begin(status: answer.status, reason: answer.reason, lines: answer.lines, closes: closes)
            body.withUnsafeBytes { exchange.respond(head.pointee, body: $0) }
        } catch {
            exchange.fail()
        }
    }

    /// A client that has sent a FIN gets what it may still wait for; whether it does is not known.
    private func countDelivery() {
        if base?.isHalfClosed != true { Counted.add(at: Counter.itemsDelivered) }
    }

    // MARK: streams

    func stream(_ item: HeldItem, on channel: HeldChannel) {
        switch phase {
        case .ended: return
        case .opening, .queued, .asking: return enqueue(item, on: channel)
        case .holding: break
        }
        guard let format = item.item.stream else { return }
        switch judge(item, on: channel, made: format.contentFilters, { format.content }) {
        case .nothing: break
        case .mismatch:
            channel.lastID = nil
            update()
        case .send(let made):
            switch format.action {
            case .send: send(item, made, on: channel)
            case .hint, .refresh: update()
            case .close: endStream()
            }
        }
    }

    private func send(_ item: HeldItem, _ made: [UInt8]?, on channel: HeldChannel) {
        guard hasRoom else { return fallBehind() }
        countDelivery()
        if let made { write(made) } else { write(item) }
        guard let extras, phase == .holding else { return }
        extras.sent(self, on: channel)
    }

    /// Whether the client keeps up. Nothing is kept for one that does not.
    var hasRoom: Bool { connection?.hasRoom(spools: false) ?? exchange?.carrier.hasRoom(spools: false) ?? false }

    var isDrained: Bool { connection?.isDrained ?? exchange?.isDrained ?? true }

    /// Blocks until the client has taken enough.
    func flushBlocking(to count: Int, seconds: Double) {
        if let connection { _ = connection.flushBlocking(to: count, seconds: seconds) }
        exchange?.carrier.flushBlocking(to: count, seconds: seconds)
    }

    /// The client takes too little. Where the app can be asked what it has missed, it goes on from there as soon as it
    /// has taken what it has; else the stream ends, and the client comes back by itself.
    private func fallBehind() {
        Counted.add(at: Counter.itemsLost)
        guard extras?.next != nil else {
            guard !isBehind else { return }
            isBehind = true
            worker?.logger.info("A held stream ends whose client reads too little")
            return breakOff()
        }
        isBehind = true
    }

    /// Bytes that waited have been taken.
    func drained() {
        extras?.link?.drained()
        guard isBehind, phase == .holding, extras?.next != nil else { return }
        isBehind = false
        update()
    }

    /// What the client has is not whole, and must not look so.
    func breakOff() {
        guard let exchange = takeExchange() else { return }
        exchange.fail()
    }

    private func write(_ item: HeldItem) {
        let content = item.content
        guard !content.isEmpty else { return }
        guard let connection else { return write(content) }
        bodySent += UInt64(content.count)
        connection.transmit(shared: connection.encoder.framing == .chunked ? item.chunk : content)
    }

    /// Bytes for this client alone.
    func write(_ content: [UInt8]) {
        guard !content.isEmpty else { return }
        bodySent += UInt64(content.count)
        if let connection {
            content.withUnsafeBytes { connection.write($0) }
        } else if let exchange {
            exchange.bodySent = bodySent
            content.withUnsafeBytes { exchange.carrier.write($0) }
        }
    }
}

// The holds of one worker, by the channels that they listen on. Law: a channel is subscribed to on the bus while
// somebody here listens on it; what comes is read once, put in order, and handed to each hold in one pass over memory.

package import EvBus
package import EvLoop
package import GRIP
import HTTPCore
import Logging

@LoopActor
package final class HoldTable: BusSubscriber {
    unowned let worker: Worker
    private let bus: Bus
    private var channels: [ChannelName: HeldChannel] = [:]
    private var terms = TermsTable()
    private(set) var deadlines: DeadlineHeap<Hold>!
    private var orderTimer: TimerWatcher?
    /// Channels on which messages wait for another one.
    private var incomplete: [HeldChannel] = []
    private(set) var turns: HoldTurns!
    private var memory: ChannelMemory!
    /// Holds, long polls and streams.
    package private(set) var responses = 0
    package private(set) var streams = 0

    /// Channels that somebody may listen on at a time.
    private static let mostChannels = 1 << 20

    private struct ChannelName: Hashable {
        let bytes: [UInt8]
        func hash(into hasher: inout Hasher) { bytes.withUnsafeBytes { hasher.combine(bytes: $0) } }
    }

    init(_ worker: Worker, _ bus: Bus) {
        self.worker = worker
        self.bus = bus
        deadlines = DeadlineHeap(worker.loop, granularity: 0.05)
        turns = HoldTurns(worker.loop)
        memory = ChannelMemory(worker.loop) { [unowned self] in self.close($0) }
        orderTimer = TimerWatcher(worker.loop) { [unowned self] in self.sendOverdue() }
    }

    package var count: Int { responses + streams }
    package var channelCount: Int { channels.count }

    /// Once a second.
    func writeGauges() {
        Counted.counters[Counter.heldResponses] = UInt64(responses)
        Counted.counters[Counter.heldStreams] = UInt64(streams)
        Counted.counters[Counter.heldChannels] = UInt64(channels.count)
    }

    func stop() {
        deadlines.stop()
        turns.stop()
        memory.stop()
        orderTimer?.stop()
    }

    // MARK: holds begin

    /// Takes an answer that is there as a whole.
    func take(_ exchange: Exchange, _ answer: InstructedAnswer) throws(GRIPError) {
        var instruction = try Instruction(lines: answer.lines, status: answer.status)
        if instruction.awaitsJSON { try instruction.read(json: answer.body) }
        let visible = VisibleAnswer(answer, instruction)
        switch instruction.hold {
        case .response:
            try hold(exchange, answer, instruction, visible)
        case nil where instruction.next == nil:
            respond(exchange, instruction, visible)
        case .stream, nil:
            let body = try content(visible.body, instruction)
            begin(exchange, visible, body)
            guard exchange.response == .begun, !exchange.length.isNone else { return exchange.finish() }
            try hold(exchange, answer, instruction, visible)
        }
    }

    private func respond(_ exchange: Exchange, _ instruction: Instruction, _ answer: VisibleAnswer) {
        do {
            let body = try content(answer.body, instruction)
            let head = exchange.responseHead
            try head.pointee.begin(
                status: answer.status, reason: answer.reason, lines: answer.lines, closes: answer.closes)
            body.withUnsafeBytes { exchange.respond(head.pointee, body: $0) }
        } catch {
            worker.logger.error("An answer cannot be made", metadata: ["error": "\(error)"])
            exchange.fail()
        }
    }

    func begin(_ exchange: Exchange, _ answer: VisibleAnswer, _ first: [UInt8]) {
        do throws(ResponseHeadError) {
            let head = exchange.responseHead
            try head.pointee.begin(
                status: answer.status, reason: answer.reason, lines: answer.lines, closes: answer.closes)
            first.withUnsafeBytes { _ = exchange.begin(head.pointee, first: $0) }
        } catch {
            exchange.fail()
        }
    }

    /// The app's own body, which some filters change.
    private func content(_ body: [UInt8], _ instruction: Instruction) throws(GRIPError) -> [UInt8] {
        var filters: [Filter] = []
        for filter in instruction.channels.flatMap(\.filters) where filter.changesResponse {
            if !filters.contains(filter) { filters.append(filter) }
        }
        guard !filters.isEmpty, !body.isEmpty else { return body }
        if case .changed(let made) = try filters.verdict(on: body, FilterContext(subscription: instruction.meta)) {
            return made
        }
        return body
    }

    /// Pushpin finds that out later, and breaks the stream off.
    func check(_ instruction: Instruction) throws(GRIPError) {
        guard instruction.hold == .stream, instruction.next == nil else { return }
        for channel in instruction.channels where channel.previousID != nil {
            let name = String(decoding: channel.name, as: UTF8.self)
            throw GRIPError("channel '\(name)' specifies prev-id, but no next link found")
        }
    }

    func hold(
        _ exchange: Exchange, _ answer: InstructedAnswer, _ instruction: Instruction, _ visible: VisibleAnswer
    ) throws(GRIPError) {
        try check(instruction)
        guard !exchange.isGone else { return }
        let hold = try makeHold(exchange, answer, instruction, visible)
        attach(hold, to: exchange)
        begin(hold, instruction)
    }

    /// The exchange is the hold's from now on, and no deadline of a request ends it.
    func attach(_ hold: Hold, to exchange: Exchange) {
        if hold.mode == .response { exchange.response = .held } else { hold.bodySent = exchange.bodySent }
        exchange.upgrade = .held(hold)
        exchange.deadline = .infinity
    }

    func makeHold(
        _ exchange: Exchange, _ answer: InstructedAnswer, _ instruction: Instruction, _ visible: VisibleAnswer
    ) throws(GRIPError) -> Hold {
        let mode = instruction.hold ?? .stream
        guard let terms = terms.take(HoldTerms.pack(instruction, visible, mode)) else {
            throw GRIPError("a hold that cannot be kept")
        }
        return Hold(exchange, terms, replays: answer.replays)
    }

    func note(_ hold: Hold) { if hold.mode == .response { responses += 1 } else { streams += 1 } }
    func takeTerms(_ packed: [UInt8]) -> HoldTerms? { terms.take(packed) }

    private func begin(_ hold: Hold, _ instruction: Instruction) {
        note(hold)
        hold.keepExtras(of: instruction)
        guard instruction.hold != nil else {
            return hold.extras?.next == nil ? hold.endStream() : turns.ask(hold)
        }
        let hasConflict = conflicts(instruction)
        guard !(hasConflict && hold.mode == .response) else {
            hold.unheard = instruction.channels.compactMap { channel in
                channel.previousID.map { LastID(channel: channel.name, id: $0) }
            }
            return turns.ask(hold)
        }
        listen(hold, instruction)
        enlist(hold)
        if hasConflict { hold.update() }
    }

    /// The hold listens from now on.
    func listen(_ hold: Hold, _ instruction: Instruction) {
        subscribe(hold, to: instruction.channels)
        for subscription in hold.subscriptions where subscription.previousID != nil {
            memory.begins(subscription.channel)
        }
    }

    /// Somebody has seen another message last than the app has. What is known of the channel is forgotten then, so that
    /// the app is not asked for ever.
    func conflicts(_ instruction: Instruction) -> Bool {
        var found = false
        for channel in instruction.channels {
            guard let wanted = channel.previousID, let known = channels[ChannelName(bytes: channel.name)],
                let last = known.lastID, last != wanted
            else { continue }
            known.lastID = nil
            found = true
        }
        return found
    }

    /// The hold stands in the lists of time.
    func enlist(_ hold: Hold) {
        hold.setDeadline()
        hold.beginWait()
    }

    /// The hold listens on these channels, and on no others.
    func subscribe(_ hold: Hold, to wanted: [Channel]) {
        for subscription in hold.subscriptions
        where !wanted.contains(where: { $0.name == subscription.channel.name }) {
            leave(hold, subscription)
        }
        var kept: [Subscription] = []
        for channel in wanted {
            guard let held = open(channel.name) else { continue }
            var subscription =
                hold.subscription(to: held)
                ?? Subscription(channel: held, previousID: channel.previousID, filters: channel.filters)
            (subscription.previousID, subscription.filters) = (channel.previousID, channel.filters)
            if subscription.index < 0 { subscription.index = held.insert(hold) }
            kept.append(subscription)
        }
        hold.first = kept.first
        hold.others = Array(kept.dropFirst())
    }

    /// Nil where there are too many.
    func open(_ name: [UInt8]) -> HeldChannel? {
        if let channel = channels[ChannelName(bytes: name)] { return channel }
        guard channels.count < Self.mostChannels else { return nil }
        let channel = HeldChannel(name)
        channels[ChannelName(bytes: name)] = channel
        bus.subscribe(Item.busChannel(name), self)
        return channel
    }

    // MARK: holds end

    /// The hold is over.
    ///
    /// - Parameter isOpening: it has not been noted.
    func remove(_ hold: Hold, isOpening: Bool) {
        if hold.mode == .response { responses -= 1 } else if !isOpening { streams -= 1 }
        deadlines.remove(hold)
        for subscription in hold.subscriptions { leave(hold, subscription) }
        (hold.first, hold.others) = (nil, [])
        terms.giveBack(hold.terms)
    }

    private func leave(_ hold: Hold, _ subscription: Subscription) {
        subscription.channel.remove(hold, at: Int(subscription.index))
        closeIfEmpty(subscription.channel)
    }

    func closeIfEmpty(_ channel: HeldChannel) {
        guard channel.isEmpty, !channel.isSending, !memory.keeps(channel) else { return }
        close(channel)
    }

    private func close(_ channel: HeldChannel) {
        guard channels.removeValue(forKey: ChannelName(bytes: channel.name)) != nil else { return }
        bus.unsubscribe(Item.busChannel(channel.name), self)
    }

    /// Another answer of the app's has other terms.
    func change(_ hold: Hold, to packed: [UInt8]) {
        guard let taken = terms.take(packed) else { return }
        terms.giveBack(hold.terms)
        hold.terms = taken
    }

    // MARK: messages

    /// Publishes to all processes, this one included.
    package func publish(_ item: Item) { bus.publish(Item.busChannel(item.channel), item.json) }

    package func received(_ message: BusMessage) {
        guard let channel = channels[ChannelName(bytes: Array(message.channel.dropFirst()))] else { return }
        Counted.add(at: Counter.itemsReceived)
        do throws(GRIPError) {
            receive(try Item(json: message.payload), on: channel)
        } catch {
            worker.logger.error("A message on the bus cannot be read", metadata: ["reason": "\(error)"])
        }
    }

    private func receive(_ item: Item, on channel: HeldChannel) {
        for item in channel.order(item) { channel.send(HeldItem(item), self) }
        if channel.hasPending { wait(for: channel) }
        closeIfEmpty(channel)
    }

    private func wait(for channel: HeldChannel) {
        if incomplete.isEmpty { orderTimer?.start(after: 1) }
        if !incomplete.contains(where: { $0 === channel }) { incomplete.append(channel) }
    }

    private func sendOverdue() {
        let now = EventLoop.coarseNow()
        let waiting = incomplete
        incomplete = []
        for channel in waiting where !channel.isEmpty || channel.isRemembered {
            for item in channel.overdue(at: now) { channel.send(HeldItem(item), self) }
            if channel.hasPending { wait(for: channel) }
            closeIfEmpty(channel)
        }
    }

    /// The app is told that a client has left, where it has asked for that.
    func tellGone(_ hold: Hold, _ target: [UInt8]) {
        LinkRequest.tell(target, of: hold)
    }

    // MARK: the worker leaves

    /// Those that are here now.
    package var all: [Hold] {
        var found: [Hold] = []
        worker.deadlines.forEach(.held) { waiter in
            if let hold = waiter.hold { found.append(hold) }
        }
        return found
    }
}

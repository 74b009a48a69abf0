// A request without a task, a greenlet or a thread: who asked, what it listens on, and until when. Law: a long poll on
// HTTP/1.1 costs this object and the bytes of its head; whatever else it needs is made again when it is answered.

package import EvLoop
import GRIP
import HTTP1
import HTTPCore
import Logging

@LoopActor
package final class Hold {
    /// `opening`: a stream whose app still writes. `queued`: the app is to be asked, in its turn. `asking`: it is being
    /// asked by a link. Nothing is sent before the answer, and what comes meanwhile waits.
    enum Phase: UInt8 { case opening, holding, queued, asking, ended }

    // MARK: where the answer goes: one of the two
    /// Of a wire that needs it, and while the app has not ended.
    private(set) var exchange: Exchange?
    unowned(unsafe) private(set) var connection: HTTP1Connection?
    /// The head, where there is no exchange.
    private(set) var head = HeldHead()

    // MARK: what it waits for
    @exclusivity(unchecked) var terms: HoldTerms
    @exclusivity(unchecked) var first: Subscription?
    @exclusivity(unchecked) var others: [Subscription] = []
    /// What few holds have.
    var extras: HoldExtras?
    /// Monotonic seconds.
    var deadline = Double.infinity
    let startedAt: Double
    /// Bytes of the body of a stream.
    @exclusivity(unchecked) var bodySent: UInt64 = 0
    /// Among those that have a deadline; -1 for none.
    var deadlineIndex: Int32 = -1
    @exclusivity(unchecked) var phase = Phase.holding
    /// How often the app was called again for it.
    let replays: UInt8
    /// A client that takes too little: messages were dropped.
    var isBehind = false

    init(_ exchange: Exchange, _ terms: HoldTerms, replays: UInt8) {
        self.exchange = exchange
        self.terms = terms
        self.replays = replays
        startedAt = exchange.startedAt
    }

    /// Of a request that was held in another process.
    init(_ connection: HTTP1Connection, _ head: HeldHead, _ terms: HoldTerms, since moment: Double, replays: UInt8) {
        self.connection = connection
        self.head = head
        self.terms = terms
        self.replays = replays
        startedAt = moment
    }

    // MARK: what it is

    var mode: HoldMode { terms.mode }
    /// The head of the answer has left.
    var hasBegun: Bool { terms.mode == .stream }
    /// That of the carrier. There is one until it has ended.
    var base: Connection? { connection ?? exchange?.connection }
    var worker: Worker? { base?.worker }
    var table: HoldTable? { worker?.holds }

    var channelNames: [[UInt8]] { subscriptions.map(\.channel.name) }
    var subscriptions: [Subscription] { (first.map { [$0] } ?? []) + others }

    func subscription(to channel: HeldChannel) -> Subscription? {
        first?.channel === channel ? first : others.first { $0.channel === channel }
    }

    /// The place in the array of a channel.
    func setIndex(_ index: Int32, in channel: HeldChannel) {
        if first?.channel === channel {
            first?.index = index
        } else if let place = others.firstIndex(where: { $0.channel === channel }) {
            others[place].index = index
        }
    }

    func setPreviousID(_ id: [UInt8]?, in channel: HeldChannel) {
        if first?.channel === channel {
            first?.previousID = id
        } else if let place = others.firstIndex(where: { $0.channel === channel }) {
            others[place].previousID = id
        }
    }

    /// The head of the request, without GRIP's fields.
    func requestHead() -> RequestHead? { exchange?.head ?? head.parsed() }

    // MARK: the app

    /// Nothing of the app runs any more for the request.
    func appHasEnded() {
        guard let exchange, phase != .ended, case .http1(let connection) = exchange.carrier else { return }
        guard exchange.isBodyComplete, exchange.logged == nil else { return }
        head = HeldHead(exchange.head)
        guard connection.keep(self, insteadOf: exchange) else { return head = HeldHead() }
        exchange.upgrade = .none
        exchange.conclude(.over)
        self.connection = connection
        self.exchange = nil
    }

    // MARK: the end

    /// The exchange that is answered, which is made again where there is none. The hold has ended then.
    func takeExchange() -> Exchange? {
        guard phase != .ended else { return nil }
        let base = base
        defer { extendLifetime(base) }
        let taken = exchange ?? makeExchange(telling: nil)
        guard let taken else {
            worker?.logger.error("A held request cannot be read again")
            base?.abort()
            return nil
        }
        if hasBegun { taken.goesOn(status: terms.status, bodySent: bodySent) } else { taken.isAwaited() }
        connection?.resume(taken, of: self)
        taken.upgrade = .none
        forget()
        (exchange, connection) = (nil, nil)
        return taken
    }

    /// An exchange of what was kept.
    ///
    /// - Parameter last: what the app is told of its last answer; nil where it is not called.
    func makeExchange(telling last: [LastID]?) -> Exchange? {
        let body = last == nil ? [] : extras?.body ?? []
        if let exchange { return Exchange(again: exchange, body, telling: last ?? []) }
        guard let connection, let head = head.parsed() else { return nil }
        return Exchange(heldSince: startedAt, head, .http1(connection), body, telling: last)
    }

    var lastIDs: [LastID] {
        subscriptions.compactMap { entry in entry.previousID.map { LastID(channel: entry.channel.name, id: $0) } }
    }

    /// It listens on nothing any more, and its end is somebody else's.
    func forget() {
        guard phase != .ended else { return }
        let table = table
        let isOpening = phase == .opening
        phase = .ended
        table?.remove(self, isOpening: isOpening)
        extras?.link?.giveUp()
        extras?.link = nil
        if let gone = extras?.gone { table?.tellGone(self, gone) }
    }

    /// Another process has taken it over with its connection.
    func departed() {
        guard phase != .ended else { return }
        extras?.gone = nil
        forget()
    }

    /// Nothing reaches the client any more.
    func clientLeft() {
        guard phase != .ended else { return }
        let base = base
        defer { extendLifetime(base) }
        if exchange == nil { logEnd() }
        forget()
        (exchange, connection) = (nil, nil)
    }

    /// A client that has left is logged by an exchange.
    private func logEnd() {
        guard let worker else { return }
        let status = hasBegun ? terms.status : 499
        if worker.accessLog != nil, let exchange = makeExchange(telling: nil) {
            if hasBegun { exchange.goesOn(status: terms.status, bodySent: bodySent) }
            worker.requestEnded(exchange, status: status)
            return exchange.conclude(.clientLeft)
        }
        Counted.add(at: Counter.responses + (hasBegun ? status / 100 : 0))
        if worker.isMeasured { Counted.recordTime(since: startedAt, at: Counter.duration) }
    }

    /// The worker leaves, and nobody else takes the request over.
    package func workerLeaves() {
        guard phase != .ended else { return }
        if hasBegun { endStream() } else { answerItself() }
    }

    /// Answers with what the app has said for the case that nothing comes.
    func answerItself() {
        let terms = terms
        guard let exchange = takeExchange() else { return }
        do throws(ResponseHeadError) {
            let head = exchange.responseHead
            try head.pointee.begin(
                status: terms.status, reason: terms.reason, lines: terms.lines, closes: terms.closes)
            terms.body.withUnsafeBytes { exchange.respond(head.pointee, body: $0) }
        } catch {
            exchange.fail()
        }
    }

    /// Ends the body of a stream as one that is whole.
    func endStream() {
        guard let exchange = takeExchange() else { return }
        exchange.finish()
    }

    /// The deadline has passed.
    func deadlineExpired(at now: Double) {
        guard phase != .ended else { return }
        if hasBegun { streamExpired(at: now) } else if phase == .holding { answerItself() }
    }
}

/// What few holds have.
@LoopActor
final class HoldExtras {
    var meta: Meta = []
    /// Where the app is told of the end.
    var gone: [UInt8]?
    /// That of the request.
    var body: [UInt8] = []
    /// It was too long to be kept.
    var isBodyLost = false
    /// What the app's answer knew of, where the hold has not begun to listen.
    var unheard: [LastID] = []

    // MARK: of a stream
    /// That of the request, to which links lead.
    var host: [UInt8] = []
    /// Monotonic seconds at which a keep-alive is due, and the app is to be asked.
    var keepAliveDue = Double.infinity
    var linkDue = Double.infinity
    /// Where the stream goes on, from the root of the server.
    var next: NextLink?
    /// What the last answer came from, to which links are relative.
    var current: [UInt8] = []
    var link: LinkRequest?
    /// Attempts that have failed in a row.
    var retries = 0
    /// Messages that have come while the app was asked, and the bytes of their contents.
    var queue: [(item: HeldItem, channel: HeldChannel)] = []
    var queued = 0
    /// The app is to be asked once more when it has answered.
    var isStale = false
    /// Channels that have brought something since the app was asked.
    var active: [ObjectIdentifier] = []
}

extension Exchange {
    /// What is answered now has not begun.
    fileprivate func isAwaited() { if response == .held || response == .instructing { response = .awaited } }

    /// A stream goes on whose head has left.
    fileprivate func goesOn(status: Int, bodySent: UInt64) {
        self.status = UInt16(truncatingIfNeeded: status)
        self.bodySent = bodySent
        (response, length) = (.begun, .open)
    }
}

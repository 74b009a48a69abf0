// `--sticky`: to which worker a request belongs, and what is learned from responses. Law: all workers come to the same
// answer for the same key as long as the same workers live; a key whose owner has gone belongs to nobody, and its
// request is served so that the app can begin anew. No request is moved twice.

import EvLoop
import HTTP1
import HTTPCore

@LoopActor
final class Sticky {
    private unowned let worker: Worker
    private let rule: StickyRule
    private let owners: OwnerTable
    /// Of the cookie, parameter or field.
    private let name: [UInt8]
    /// The server's own cookie as it names this worker, as a field line; with and without `Secure`.
    private lazy var cookieLines: (plain: [UInt8], secure: [UInt8]) = {
        let value = String(decoding: Self.cookieValue(worker.slot.index, owners.hash), as: UTF8.self)
        let name = String(decoding: Self.cookieName, as: UTF8.self)
        let line = "Set-Cookie: \(name)=\(value); Path=/; HttpOnly; SameSite=Lax"
        return (Array("\(line)\r\n".utf8), Array("\(line); Secure\r\n".utf8))
    }()
    private let lines = ByteWriter(capacity: 256)

    private static let cookieName = Array("evgateway_worker".utf8)

    /// Nil without `--sticky`.
    init?(_ worker: Worker) {
        guard let configuration = worker.configuration.sticky else { return nil }
        self.worker = worker
        (rule, owners) = (configuration.rule, configuration.owners)
        name =
            switch configuration.rule {
            case .address: []
            case .ownCookie: Self.cookieName
            case .cookie(let name), .query(let name): Array(name.utf8)
            case .header(let name): Array(name.lowercased().utf8)
            }
    }

    /// Whether responses get a line of the server's own.
    var addsLines: Bool { rule == .ownCookie }
    /// Whether the beginning of a body may name a key.
    var readsBodies: Bool { if case .query = rule { true } else { false } }

    // MARK: requests

    /// The place of the worker that a request belongs to; nil for this one.
    func destination(of head: RequestHead, on connection: Connection) -> Int? {
        let siblings = worker.moves.neighbours
        guard !siblings.isEmpty else { return nil }
        switch rule {
        case .address:
            return connection.withClientAddress(of: head) { $0.isEmpty ? nil : preferred(owners.hash($0), siblings) }
        case .ownCookie:
            return StickyKey.cookie(name, in: head).flatMap { named($0, siblings) }
        case .cookie, .query, .header:
            return key(of: head).flatMap { owner(of: owners.hash($0), siblings) }
        }
    }

    /// A connection that begins with TLS cannot move any more when its first request is read. Where the address
    /// decides, it moves before its handshake.
    func accepted(_ connection: Connection) {
        guard rule == .address, !connection.trustsPeer, let parcel = connection.freshParcel else { return }
        let hash = worker.withAddress(of: connection.peer) { owners.hash($0) }
        guard let place = preferred(hash, worker.moves.neighbours) else { return }
        if worker.moves.give(connection, parcel, to: place) { Counted.add(at: Counter.movedToOwner) }
    }

    private func key(of head: RequestHead) -> UnsafeRawBufferPointer? {
        switch rule {
        case .address, .ownCookie: nil
        case .cookie: StickyKey.cookie(name, in: head)
        case .query: StickyKey.parameter(name, in: head)
        case .header: StickyKey.field(name, in: head)
        }
    }

    typealias Siblings = [(place: Int, slot: ScoreboardSlot)]

    /// That which has learned the key, else the one that the hash prefers.
    private func owner(of hash: UInt64, _ siblings: Siblings) -> Int? {
        if let age = owners.owner(of: hash, now: EventLoop.coarseNow()) {
            if age == worker.slot.age { return nil }
            for (place, slot) in siblings where slot.age == age && slot.state == .ready { return place }
        }
        return preferred(hash, siblings)
    }

    /// The index with the greatest weight for a key, of those where a worker serves: few keys change their worker when
    /// one comes or goes.
    private func preferred(_ hash: UInt64, _ siblings: Siblings) -> Int? {
        var best: (weight: UInt64, age: UInt32, place: Int?)?
        if worker.slot.state == .ready { best = (Self.weight(hash, worker.slot.index), worker.slot.age, nil) }
        for (place, slot) in siblings where slot.state == .ready {
            let (weight, age) = (Self.weight(hash, slot.index), slot.age)
            // Of two with one index the younger stays.
            guard best.map({ (weight, age) > ($0.weight, $0.age) }) ?? true else { continue }
            best = (weight, age, place)
        }
        return best?.place
    }

    private static func weight(_ hash: UInt64, _ index: UInt32) -> UInt64 {
        // The finalizer of MurmurHash3.
        var word = hash ^ (UInt64(index) &+ 1) &* 0x9e37_79b9_7f4a_7c15
        word = (word ^ word >> 33) &* 0xff51_afd7_ed55_8ccd
        word = (word ^ word >> 33) &* 0xc4ce_b9fe_1a85_ec53
        return word ^ word >> 33
    }

    // MARK: the server's own cookie

    private static func cookieValue(_ index: UInt32, _ hash: KeyedHash) -> [UInt8] {
        let number = withUnsafeBytes(of: (UInt64(index).littleEndian, UInt64(0x65766777).littleEndian)) { hash($0) }
        let digits = Array("0123456789abcdef".utf8)
        return (0..<16).map { digits[Int(number >> UInt64(60 - 4 * $0) & 15)] }
    }

    private func named(_ value: UnsafeRawBufferPointer, _ siblings: Siblings) -> Int? {
        if isOwn(value) { return nil }
        var best: (age: UInt32, place: Int)?
        for (place, slot) in siblings where slot.state == .ready && slot.age > best?.age ?? 0 {
            if value.elementsEqual(Self.cookieValue(slot.index, owners.hash)) { best = (slot.age, place) }
        }
        return best?.place
    }

    private func isOwn(_ value: UnsafeRawBufferPointer) -> Bool {
        value.elementsEqual(Self.cookieValue(worker.slot.index, owners.hash))
    }

    /// Field lines for a response, and behind them the one that names this worker, for a client who has no such name
    /// yet. Valid until the next call.
    func lines(_ more: UnsafeRawBufferPointer, for exchange: Exchange) -> UnsafeRawBufferPointer {
        if let value = StickyKey.cookie(name, in: exchange.head), isOwn(value) { return more }
        lines.removeAll(keepingCapacity: true)
        lines.append(more)
        (exchange.isSecure ? cookieLines.secure : cookieLines.plain).withUnsafeBytes { lines.append($0) }
        return lines.bytes
    }

    // MARK: responses

    /// Learns what a response names.
    func answered(_ head: borrowing ResponseHead) {
        switch rule {
        case .cookie: StickyKey.cookies(name, setBy: head.lines) { learn($0) }
        case .header: if let value = FieldBlock.value(of: name, in: head.lines), !value.isEmpty { learn(value) }
        case .address, .ownCookie, .query: break
        }
    }

    /// - Parameter body: its first bytes.
    func answered(_ request: RequestHead, with body: UnsafeRawBufferPointer) {
        guard StickyKey.parameter(name, in: request) == nil else { return }
        if let value = StickyKey.member(name, in: body) { learn(value) }
    }

    /// A worker that lives keeps what it owns: a response that repeats what a client has sent could take it away.
    private func learn(_ value: UnsafeRawBufferPointer) {
        let (hash, now) = (owners.hash(value), EventLoop.coarseNow())
        if let age = owners.owner(of: hash, now: now), age != worker.slot.age,
            worker.moves.neighbours.contains(where: { $0.slot.age == age && $0.slot.state == .ready })
        {
            return
        }
        switch owners.claim(hash, by: worker.slot.age, now: now) {
        case .known: break
        case .new: Counted.add(at: Counter.keysLearned)
        case .replaced:
            Counted.add(at: Counter.keysLearned)
            Counted.add(at: Counter.keysReplaced)
        }
    }
}

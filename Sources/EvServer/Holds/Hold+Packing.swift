// A hold as bytes, for the process that its connection moves to. Both are of one program, but bytes are not believed:
// what is not exactly a hold is none. Law: only a hold that waits, and for which nothing is on its way, is packed.

import EvLoop
import GRIP
import HTTP1
import HTTPCore

extension Hold {
    /// Nil where it cannot move now: its exchange is needed, or the app is being asked.
    package func packed() -> [UInt8]? {
        guard let connection, phase == .holding, !isBehind, connection.output.isEmpty else { return nil }
        var bytes: [UInt8] = [Self.version, replays]
        bytes.append(connection.encoder.framing == .untilClose ? 2 : connection.encoder.framing == .chunked ? 1 : 0)
        bytes.append(connection.encoder.mustClose ? 1 : 0)
        bytes.append(integer: startedAt.bitPattern)
        bytes.append(integer: deadline.bitPattern)
        bytes.append(integer: bodySent)
        bytes.append(block: terms.packed)
        bytes.append(block: head.bytes)
        let subscriptions = subscriptions
        bytes.append(integer: UInt32(clamping: subscriptions.count))
        for entry in subscriptions {
            bytes.append(block: entry.channel.name)
            bytes.append(optional: entry.previousID)
            bytes.append(block: Array(entry.filters.map(\.rawValue).joined(separator: ",").utf8))
        }
        bytes.append(extras == nil ? 0 : 1)
        if let extras { extras.pack(into: &bytes) }
        return bytes
    }

    fileprivate static let version: UInt8 = 1
}

extension HoldExtras {
    fileprivate func pack(into bytes: inout [UInt8]) {
        bytes.append(integer: UInt32(clamping: meta.count))
        for field in meta {
            bytes.append(block: field.name)
            bytes.append(block: field.value)
        }
        bytes.append(optional: gone)
        bytes.append(block: body)
        bytes.append(isBodyLost ? 1 : 0)
        bytes.append(block: host)
        bytes.append(block: current)
        bytes.append(optional: next?.target)
        bytes.append(integer: UInt32(clamping: next?.timeout ?? 0))
        bytes.append(integer: keepAliveDue.bitPattern)
        bytes.append(integer: linkDue.bitPattern)
    }

    fileprivate convenience init?(taking bytes: inout ArraySlice<UInt8>) {
        self.init()
        guard let count = bytes.takeInteger(UInt32.self), count <= Limits.metaEntries else { return nil }
        for _ in 0..<count {
            guard let name = bytes.takeBlock(), let value = bytes.takeBlock() else { return nil }
            meta.append(Field(name: name, value: value))
        }
        guard let gone = bytes.takeOptional(), let body = bytes.takeBlock(), let isLost = bytes.popFirst(),
            let host = bytes.takeBlock(), let current = bytes.takeBlock(), let target = bytes.takeOptional(),
            let timeout = bytes.takeInteger(UInt32.self), let keepAliveDue = bytes.takeMoment(),
            let linkDue = bytes.takeMoment()
        else { return nil }
        (self.gone, self.body, isBodyLost) = (gone.value, body, isLost != 0)
        (self.host, self.current) = (host, current)
        next = target.value.map { NextLink(target: $0, timeout: Int(timeout)) }
        (self.keepAliveDue, self.linkDue) = (keepAliveDue, linkDue)
    }
}

extension HoldTable {
    /// Takes over a request that was held in another process, for a connection that has begun here.
    ///
    /// - Returns: nil where these bytes are no hold, or it cannot be kept.
    package func adopt(_ packed: [UInt8], on connection: HTTP1Connection) -> Hold? {
        var rest = packed[...]
        guard rest.popFirst() == Hold.version, let replays = rest.popFirst(), let framing = rest.popFirst(),
            let mustClose = rest.popFirst(), let since = rest.takeMoment(), let deadline = rest.takeMoment(),
            let bodySent = rest.takeInteger(UInt64.self), let said = rest.takeBlock(), let head = rest.takeBlock(),
            let count = rest.takeInteger(UInt32.self), count <= Limits.channels
        else { return nil }
        var channels: [Channel] = []
        for _ in 0..<count {
            guard let name = rest.takeBlock(), let id = rest.takeOptional(), let filters = rest.takeBlock() else {
                return nil
            }
            let names = String(decoding: filters, as: UTF8.self).split(separator: ",")
            channels.append(
                Channel(name: name, previousID: id.value, filters: names.compactMap { Filter(rawValue: String($0)) }))
        }
        guard let hasExtras = rest.popFirst() else { return nil }
        let extras = hasExtras == 0 ? nil : HoldExtras(taking: &rest)
        guard rest.isEmpty, hasExtras == 0 || extras != nil, let head = HeldHead(bytes: head).parsed(),
            let terms = takeTerms(said)
        else { return nil }
        let hold = Hold(connection, HeldHead(head), terms, since: since, replays: replays)
        (hold.extras, hold.bodySent) = (extras, bodySent)
        if hold.hasBegun {
            connection.encoder = ResponseEncoder(
                resuming: framing == 2 ? .untilClose : framing == 1 ? .chunked : .plain, mustClose: mustClose != 0)
        }
        note(hold)
        subscribe(hold, to: channels)
        connection.take(hold)
        hold.deadline = deadline
        deadlines.update(hold)
        hold.beginWait()
        return hold
    }
}

/// Bytes that may not be there.
private struct OptionalBlock {
    let value: [UInt8]?
}

extension [UInt8] {
    fileprivate mutating func append(optional block: [UInt8]?) {
        append(block == nil ? 0 : 1)
        if let block { append(block: block) }
    }
}

extension ArraySlice<UInt8> {
    fileprivate mutating func takeOptional() -> OptionalBlock? {
        guard let flag = popFirst() else { return nil }
        guard flag != 0 else { return OptionalBlock(value: nil) }
        return takeBlock().map { OptionalBlock(value: $0) }
    }

    /// Infinity stands for none.
    fileprivate mutating func takeMoment() -> Double? {
        guard let bits = takeInteger(UInt64.self) else { return nil }
        let moment = Double(bitPattern: bits)
        return moment.isNaN ? nil : moment
    }
}

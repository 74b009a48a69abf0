// WebSockets that listen on channels: what is published goes to the client, and the app has nothing to do with it. Law:
// bounded for each socket; a client that does not keep up loses its socket, or the message, as its app has said.

import EvLoop
package import GRIP
import Logging
import WebSocketCodec

/// How a WebSocket is to listen on a channel.
package struct SocketSubscription: Sendable {
    package var channel: [UInt8]
    /// By their names, as in `Grip-Channel`.
    package var filters: [[UInt8]] = []
    /// Added to what is known of the socket, for the filters of all its channels.
    package var meta: Meta = []
    /// A message for which a slow client has no room is not sent to it; else its socket is closed.
    package var skips = false

    package init(channel: [UInt8]) { self.channel = channel }
}

/// What one socket listens on.
@LoopActor
final class SocketListening {
    struct Entry {
        let channel: HeldChannel
        var filters: [Filter]
        var skips: Bool
    }

    private(set) var entries: [Entry] = []
    private(set) var meta: Meta = []

    func entry(of channel: HeldChannel) -> Entry? { entries.first { $0.channel === channel } }

    /// In place of one of the same channel.
    fileprivate func set(_ entry: Entry) {
        if let index = entries.firstIndex(where: { $0.channel === entry.channel }) {
            entries[index] = entry
        } else {
            entries.append(entry)
        }
    }

    fileprivate func set(_ meta: Meta) { self.meta = meta }

    fileprivate func removeEntry(named name: [UInt8]) -> Entry? {
        entries.firstIndex { $0.channel.name == name }.map { entries.remove(at: $0) }
    }

    /// - Returns: nil where the message is not for this socket.
    fileprivate func verdict(_ entry: Entry, on item: Item, _ format: SocketFormat) -> FilterVerdict? {
        if let made = format.contentFilters, made != entry.filters.contentFilterNames { return nil }
        guard !entry.filters.isEmpty else { return .send }
        let context = FilterContext(
            subscription: meta, message: item.meta, channels: entries.map { ($0.channel.name, nil) })
        let verdict = try? entry.filters.verdict(on: format.content, context)
        return verdict == .drop ? nil : verdict
    }
}

extension HoldTable {
    /// Gives a WebSocket the messages of a channel, from now on. One that has ended gets none.
    ///
    /// - Throws: if the channel cannot be listened on, and why; the socket listens on what it has listened on before.
    package func subscribe(_ socket: WebSocketConnection, to wanted: SocketSubscription) throws(GRIPError) {
        let name = try checkedName(wanted.channel, of: "the channel")
        let filters = try Filter.list(wanted.filters, of: name)
        let listening = socket.listening ?? SocketListening()
        var meta = listening.meta
        for entry in wanted.meta { try meta.set(entry) }
        let isKnown = listening.entries.contains { $0.channel.name == name }
        guard isKnown || listening.entries.count < Limits.channels else {
            throw GRIPError("a WebSocket listens on \(Limits.channels) channels at most")
        }
        guard socket.phase == .open else { return }
        guard let channel = open(name) else { throw GRIPError("the worker has too many channels") }
        listening.set(.init(channel: channel, filters: filters, skips: wanted.skips))
        listening.set(meta)
        socket.listening = listening
        group(of: channel).insert(socket)
    }

    private func group(of channel: HeldChannel) -> SocketGroup {
        if let group = channel.sockets { return group }
        let group = SocketGroup()
        group.onEmpty = { [weak self, weak channel] in
            guard let channel else { return }
            channel.sockets = nil
            self?.closeIfEmpty(channel)
        }
        channel.emptySince = .infinity
        channel.sockets = group
        return group
    }

    /// The opposite. Nothing happens where the socket does not listen on the channel.
    package func unsubscribe(_ socket: WebSocketConnection, from name: [UInt8]) {
        guard let entry = socket.listening?.removeEntry(named: name) else { return }
        entry.channel.sockets?.remove(socket)
    }
}

extension HeldChannel {
    /// Hands a message to all WebSockets that listen. One that ends meanwhile leaves the group; this goes over the
    /// members of before.
    func send(_ item: HeldItem, _ format: SocketFormat, to sockets: SocketGroup) {
        for socket in sockets.members {
            guard let listening = socket.listening, let entry = listening.entry(of: self),
                let verdict = listening.verdict(entry, on: item.item, format)
            else { continue }
            switch format.action {
            case .send: send(item, format, verdict, to: socket, entry)
            case .close:
                let code = CloseCode(rawValue: UInt16(clamping: format.code ?? 1000))
                socket.dismiss(
                    code.isSendable ? code : .normal, reason: String(decoding: format.reason, as: UTF8.self))
            // The app has the socket itself: nobody has to be asked for what it is to be told.
            case .hint, .refresh: break
            }
        }
    }

    private func send(
        _ item: HeldItem, _ format: SocketFormat, _ verdict: FilterVerdict, to socket: WebSocketConnection,
        _ entry: SocketListening.Entry
    ) {
        let result: Exchange.WriteResult
        switch (format.kind, verdict) {
        case (.ping, _), (.pong, _):
            result = socket.sendNow(format.kind == .ping ? .ping : .pong, format.content)
        case (_, .changed(let made)):
            result = socket.sendNow(made.withUnsafeBytes { EncodedMessage(isText: format.kind == .text, $0) })
        default:
            guard let message = item.socketMessage else { return }
            result = socket.sendNow(message)
        }
        switch result {
        case .ok: Counted.add(at: Counter.itemsDelivered)
        case .gone: break
        case .full:
            Counted.add(at: Counter.itemsLost)
            guard !entry.skips else { return }
            socket.worker.logger.info("A WebSocket is closed whose client reads too little")
            socket.dismiss(.tryAgainLater)
        }
    }
}

extension WebSocketConnection {
    /// What its worker's WebSockets may listen on; nil without `--grip`.
    package var channels: HoldTable? { worker.holds }
}

extension Exchange {
    /// What becomes a WebSocket may listen on channels.
    package var hasChannels: Bool { worker.holds != nil }
}

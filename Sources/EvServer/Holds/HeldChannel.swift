// A channel that requests of this worker are held for: who they are, and the order of what is published on it. A
// message that names one before it (`prev-id`) waits for that one, for a few seconds. Law: bounded, whatever publishers
// say.

import EvLoop
import GRIP

@LoopActor
final class HeldChannel {
    let name: [UInt8]
    @exclusivity(unchecked) var responses: [Hold] = []
    @exclusivity(unchecked) var streams: [Hold] = []
    /// WebSockets that listen; nil for none.
    var sockets: SocketGroup?
    /// A message is being handed out.
    var isSending = false
    /// The id of the last message; nil where that is not known.
    var lastID: [UInt8]?
    /// Somebody has said at which message the client is.
    var hasIDs = false
    let openedAt = EventLoop.coarseNow()
    /// Among those of ``ChannelMemory``, and since when nobody listens.
    var isRemembered = false
    var emptySince = Double.infinity
    var isDoubted = false
    /// Messages that wait for another one, by the id of that.
    private var pending: [[UInt8]: Pending] = [:]

    private struct Pending {
        let item: Item
        let due: Double
    }

    /// Messages that wait on one channel.
    private static let mostPending = 100
    /// Seconds that one waits.
    private static let patience = 5.0

    init(_ name: [UInt8]) { self.name = name }

    var isEmpty: Bool { responses.isEmpty && streams.isEmpty && sockets == nil }
    var hasPending: Bool { !pending.isEmpty }

    /// Takes a message.
    ///
    /// - Returns: what is to be sent now, in order; nothing for one that has to wait, or that is dropped.
    func order(_ item: Item) -> [Item] {
        if item.isUnordered { return [item] }
        // Publishers send again what they do not know to have arrived.
        if let lastID, item.id == lastID { return [] }
        if let lastID, let wanted = item.previousID, lastID != wanted {
            // Twice the same, or too many.
            if pending[wanted] == nil, pending.count < Self.mostPending {
                pending[wanted] = Pending(item: item, due: EventLoop.coarseNow() + Self.patience)
            }
            return []
        }
        return following(item)
    }

    /// A message, and those that have waited for it.
    private func following(_ item: Item) -> [Item] {
        lastID = item.id
        var ready = [item]
        while let id = ready.last?.id, let next = pending.removeValue(forKey: id) {
            lastID = next.item.id
            ready.append(next.item)
        }
        return ready
    }

    /// Messages that have waited long enough for one that does not come.
    func overdue(at now: Double) -> [Item] {
        let due = pending.filter { $0.value.due <= now }.sorted { $0.value.due < $1.value.due }
        var ready: [Item] = []
        for (wanted, entry) in due where pending[wanted] != nil {
            pending[wanted] = nil
            ready += following(entry.item)
        }
        return ready
    }
}

/// A hold's place in a channel.
struct Subscription {
    let channel: HeldChannel
    /// In the array of the channel; -1 for none.
    var index: Int32 = -1
    /// The id of the last message that the client knows of; nil where that does not matter.
    var previousID: [UInt8]?
    var filters: [Filter]
}

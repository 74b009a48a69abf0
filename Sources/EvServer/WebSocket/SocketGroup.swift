// Sockets that are sent the same messages, in an array: a broadcast goes through the memory in one direction. A socket
// knows its places in the groups that it is in, so that one that ends is taken out without a search.

package import EvLoop

@LoopActor
package final class SocketGroup {
    package private(set) var members: [WebSocketConnection] = []

    /// Called when the last member has left.
    package var onEmpty: (() -> Void)?

    package nonisolated init() {}

    /// Nothing happens if it is a member already, or has ended.
    package func insert(_ socket: WebSocketConnection) {
        guard socket.phase == .open, socket.index(in: self) == nil else { return }
        socket.places.append(.init(group: self, index: members.count))
        members.append(socket)
    }

    package func remove(_ socket: WebSocketConnection) {
        guard let place = socket.places.firstIndex(where: { $0.group === self }) else { return }
        vacate(socket.places.remove(at: place).index)
    }

    /// The last member takes the place.
    fileprivate func vacate(_ index: Int) {
        let last = members.removeLast()
        if members.isEmpty { onEmpty?() }
        guard index < members.count else { return }
        members[index] = last
        if let place = last.index(in: self) { last.places[place].index = index }
    }

    /// Sends a message to all members whose clients keep up, and returns their number.
    /// - Parameter whenSlow: called with each of the others that is open.
    package func send(_ message: EncodedMessage, whenSlow: (WebSocketConnection) -> Void) -> Int {
        var sent = 0
        // A socket that turns out to have ended leaves the array meanwhile; this loop goes over that of before.
        for socket in members {
            switch socket.sendNow(message) {
            case .ok: sent += 1
            case .full: whenSlow(socket)
            case .gone: break
            }
        }
        return sent
    }
}

extension WebSocketConnection {
    /// Where the socket is in the array of a group.
    struct Place {
        let group: SocketGroup
        var index: Int
    }

    fileprivate func index(in group: SocketGroup) -> Int? { places.firstIndex { $0.group === group } }

    func leaveGroups() {
        let left = places
        (places, listening) = ([], nil)
        for place in left { place.group.vacate(place.index) }
    }
}

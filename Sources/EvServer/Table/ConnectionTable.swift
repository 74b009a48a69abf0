// Every connection of a worker, or those at the ends of its lists. Law: a table of many thousands is made in slices,
// one in a turn of the loop, and what is made with each heartbeat costs the same however many connections there are.

package import EvLoop

/// Every connection, slice by slice.
@LoopActor
package final class ConnectionTable {
    /// Bytes of a target, of 8 KB that it may have.
    private static let targetLimit = 1024
    /// Connections in a slice. Each takes about a microsecond.
    private static let slice = 500
    /// No table is longer: the rest is only counted.
    private static let longest = 12 << 20

    private let worker: Worker
    private var rest: ArraySlice<Waiter>
    private var sent = 0
    private var options: RecordOptions?

    package init(of worker: Worker) {
        self.worker = worker
        var connections: [Waiter] = []
        connections.reserveCapacity(worker.openConnections)
        // Everyone is in one of the lists, and in that of slow readers besides.
        for wait in Wait.allCases where wait != .write {
            worker.deadlines.forEach(wait) { connections.append($0) }
        }
        rest = connections[...]
    }

    package var isAtEnd: Bool { options != nil && rest.isEmpty }

    /// The next bytes. To be called until ``isAtEnd``.
    package func next() -> [UInt8] {
        var bytes: [UInt8] = []
        if options == nil { TableHead(worker).append(to: &bytes) }
        let options =
            options
            ?? RecordOptions(
                targetLimit: Self.targetLimit, waiting: worker.application.waiting(atMost: worker.openConnections))
        self.options = options
        for connection in rest.prefix(Self.slice) { connection.record(options)?.append(to: &bytes) }
        rest = rest.dropFirst(Self.slice)
        sent += bytes.count
        if sent > Self.longest { rest = [] }
        return bytes
    }
}

/// What a table begins with.
package struct TableHead: Equatable, Sendable {
    /// Monotonic seconds.
    package let time: Double
    package let connections: Int
    package let webSockets: Int

    @LoopActor fileprivate init(_ worker: Worker) {
        time = EventLoop.monotonicNow()
        connections = worker.openConnections
        webSockets = worker.webSockets
    }

    package init?(taking bytes: inout ArraySlice<UInt8>) {
        guard let time = bytes.takeInteger(UInt64.self), let connections = bytes.takeInteger(UInt32.self),
            let webSockets = bytes.takeInteger(UInt32.self)
        else { return nil }
        self.time = Double(bitPattern: time)
        self.connections = Int(connections)
        self.webSockets = Int(webSockets)
        guard self.time.isFinite else { return nil }
    }

    fileprivate func append(to bytes: inout [UInt8]) {
        bytes.append(integer: time.bitPattern)
        bytes.append(integer: UInt32(clamping: connections))
        bytes.append(integer: UInt32(clamping: webSockets))
    }
}

extension Worker {
    /// The oldest and the newest connections of those that have something to do, as many as find room.
    package func tableOfEnds(capacity: Int) -> [UInt8] {
        // As many of each end of a list. Some are too many for the room, where targets are long.
        let most = 20
        let options = RecordOptions(targetLimit: 160, waiting: application.waiting(atMost: 256))
        var records: [ConnectionRecord] = []
        for wait in [Wait.active, .body, .halfClose, .handshake, .head, .linger] {
            for waiter in deadlines.ends(of: wait, most: most) {
                if let record = waiter.record(options) { records.append(record) }
            }
        }
        // What waits for its first byte has nothing to do.
        records.removeAll { $0.state == .idle }
        records.sort { $0.since ?? .infinity < $1.since ?? .infinity }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(capacity)
        TableHead(self).append(to: &bytes)
        var ends = (first: 0, last: records.count - 1)
        var isOld = true
        while ends.first <= ends.last {
            let before = bytes.count
            records[isOld ? ends.first : ends.last].append(to: &bytes)
            guard bytes.count <= capacity else {
                bytes.removeLast(bytes.count - before)
                break
            }
            if isOld { ends.first += 1 } else { ends.last -= 1 }
            isOld.toggle()
        }
        return bytes
    }
}

/// A table as somebody else reads it, the oldest first. Nil if these bytes are none.
package func readTable(_ bytes: [UInt8]) -> (head: TableHead, records: [ConnectionRecord])? {
    var rest = bytes[...]
    guard let head = TableHead(taking: &rest) else { return nil }
    var records: [ConnectionRecord] = []
    // What follows a broken record cannot be read.
    while !rest.isEmpty, let record = ConnectionRecord(taking: &rest) { records.append(record) }
    records.sort { $0.since ?? .infinity < $1.since ?? .infinity }
    return (head, records)
}

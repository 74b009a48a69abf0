// The streams of a connection that are open, in the order of their numbers, which is that of their arrival.

/// One stream, between its first and its last frame.
struct StreamState {
    let id: UInt32
    /// Whatever whoever uses the session keeps with a stream.
    var owner: AnyObject?
    /// Bytes that may be sent; less than 0 where the peer has made its window smaller.
    var sendWindow: Int
    /// Bytes that the peer may send.
    var receiveWindow: Int
    /// Bytes that have been taken and of which the peer has not been told.
    var credit = 0
    /// The peer has ended its side, and this one its own.
    var inputEnded: Bool
    var outputEnded = false
    var priority: Priority
}

struct StreamTable {
    private(set) var states: [StreamState] = []

    var count: Int { states.count }

    /// Where a stream is; nil for one that is not open.
    func index(of id: UInt32) -> Int? {
        // Nearly always it is one of the last.
        if let last = states.last, last.id == id { return states.count - 1 }
        var (low, high) = (0, states.count)
        while low < high {
            let middle = (low + high) / 2
            if states[middle].id < id { low = middle + 1 } else { high = middle }
        }
        return low < states.count && states[low].id == id ? low : nil
    }

    subscript(index: Int) -> StreamState {
        _read { yield states[index] }
        _modify { yield &states[index] }
    }

    /// - Parameter state: of a number above all others.
    mutating func append(_ state: StreamState) { states.append(state) }

    mutating func remove(at index: Int) -> StreamState {
        let state = states.remove(at: index)
        // Room for many streams is not kept while there are none.
        if states.isEmpty, states.capacity > 4 { states = [] }
        return state
    }

    mutating func removeAll() -> [StreamState] {
        defer { states = [] }
        return states
    }
}

// What is told of one connection outside of its worker: a value, and its bytes in shared memory and in packets. Both
// ends are of one program and were forked from one process, so the form may change at any time. Law: what is read may
// come from a process that was killed while it wrote, so no byte of it is trusted.

package import EvLoop

package struct ConnectionRecord: Equatable, Sendable {
    package enum Awaited: UInt8, Sendable {
        case firstRequest, nextRequest, proxyHeader, head, body, unwantedBody
        case turn, app, news, takenByApp
        /// The client is to read what was written.
        case reader
        case message, sign, room, closeFrame, close
        /// The end of a TLS handshake.
        case handshake
        /// A message on one of its channels.
        case published
    }

    /// The number of its descriptor, which is another connection's when this one has ended.
    package var id: Int32
    package var peer: PeerAddress
    /// As trusted proxies say, where that is not the peer.
    package var client: PeerAddress?
    package var state = RequestState.idle
    package var awaited = Awaited.firstRequest
    /// Monotonic seconds: of a request when it began, else when this wait did; nil where that is not known.
    package var since: Double?
    /// Seconds that a wait without a request may last; nil for any.
    package var limit: Double?
    /// Bytes that have come of a body, or that a client has not taken.
    package var amount: UInt64 = 0
    /// Bytes of the whole body, if they are known.
    package var total: UInt64?
    package var method: [UInt8]?
    /// As it came, perhaps cut.
    package var target: [UInt8]?
    package var isCut = false
    package var requestID: [UInt8]?
    /// Nil where it listens on no channel.
    package var listening: ListeningRecord?
    package var bytesIn: UInt64?
    /// Those that the peer's machine has acknowledged.
    package var bytesOut: UInt64?

    package init(id: Int32, peer: PeerAddress) {
        self.id = id
        self.peer = peer
    }

    /// The request that it is about, if any.
    package var hasRequest: Bool { method != nil }
}

// MARK: as bytes

extension ConnectionRecord {
    /// What stands in place of a number that there is not.
    private static let none = UInt64.max

    package func append(to bytes: inout [UInt8]) {
        bytes.append(state.rawValue)
        bytes.append(awaited.rawValue)
        let parts = (client == nil ? 0 : 1) | (method == nil ? 0 : 2) | (requestID == nil ? 0 : 4) as UInt8
        bytes.append(parts | (isCut ? 8 : 0) | (listening == nil ? 0 : 16))
        bytes.append(integer: id)
        peer.append(to: &bytes)
        client?.append(to: &bytes)
        bytes.append(integer: (since ?? .nan).bitPattern)
        bytes.append(integer: (limit ?? .nan).bitPattern)
        for number in [amount, total, bytesIn, bytesOut] { bytes.append(integer: number ?? Self.none) }
        if let method { bytes.append(text: method) }
        if method != nil { bytes.append(text: target ?? []) }
        if let requestID { bytes.append(text: requestID) }
        listening?.append(to: &bytes)
    }

    /// Takes one from the front of these bytes. Nil if they are not one.
    package init?(taking bytes: inout ArraySlice<UInt8>) {
        guard let state = bytes.takeByte().flatMap(RequestState.init),
            let awaited = bytes.takeByte().flatMap(Awaited.init), let flags = bytes.takeByte(),
            let id = bytes.takeInteger(Int32.self), let peer = PeerAddress(taking: &bytes)
        else { return nil }
        self.init(id: id, peer: peer)
        (self.state, self.awaited, isCut) = (state, awaited, flags & 8 != 0)
        if flags & 1 != 0 {
            guard let client = PeerAddress(taking: &bytes) else { return nil }
            self.client = client
        }
        var numbers: [UInt64] = []
        for _ in 0..<6 {
            guard let number = bytes.takeInteger(UInt64.self) else { return nil }
            numbers.append(number)
        }
        (since, limit) = (Double(told: numbers[0]), Double(told: numbers[1]))
        func told(_ number: UInt64) -> UInt64? { number == Self.none ? nil : number }
        (amount, total, bytesIn, bytesOut) = (numbers[2], told(numbers[3]), told(numbers[4]), told(numbers[5]))
        if flags & 2 != 0 {
            guard let method = bytes.takeText(), let target = bytes.takeText() else { return nil }
            (self.method, self.target) = (method, target)
        }
        if flags & 4 != 0 {
            guard let text = bytes.takeText() else { return nil }
            requestID = text
        }
        if flags & 16 != 0 {
            guard let listening = ListeningRecord(taking: &bytes) else { return nil }
            self.listening = listening
        }
    }
}

extension Double {
    init?(told bits: UInt64) {
        self.init(bitPattern: bits)
        guard isFinite else { return nil }
    }
}

extension PeerAddress {
    fileprivate func append(to bytes: inout [UInt8]) { withBytes { bytes.append(contentsOf: $0) } }

    fileprivate init?(taking bytes: inout ArraySlice<UInt8>) {
        guard bytes.count >= PeerAddress.byteCount else { return nil }
        self = bytes.prefix(PeerAddress.byteCount).withUnsafeBytes { PeerAddress(bytes: $0) }
        bytes.removeFirst(PeerAddress.byteCount)
    }
}

extension [UInt8] {
    package mutating func append(integer: some FixedWidthInteger) {
        Swift.withUnsafeBytes(of: integer) { append(contentsOf: $0) }
    }

    mutating func append(text: [UInt8]) {
        append(integer: UInt16(clamping: text.count))
        append(contentsOf: text.prefix(Int(UInt16.max)))
    }
}

extension ArraySlice<UInt8> {
    fileprivate mutating func takeByte() -> UInt8? { popFirst() }

    package mutating func takeInteger<Integer: FixedWidthInteger>(_ type: Integer.Type) -> Integer? {
        let size = MemoryLayout<Integer>.size
        guard count >= size else { return nil }
        let integer = withUnsafeBytes { $0.loadUnaligned(as: Integer.self) }
        removeFirst(size)
        return integer
    }

    mutating func takeText() -> [UInt8]? {
        guard let size = takeInteger(UInt16.self), count >= Int(size) else { return nil }
        let text = Array(prefix(Int(size)))
        removeFirst(Int(size))
        return text
    }
}

// What one process sends to one other: the messages of a turn in as few packets as they need, and what the receiver's
// mailbox does not take at once. That is bounded: beyond the bound messages are dropped, and the next packet that goes
// out says how many. Order is kept, whatever is sent.

import EvLoop

@LoopActor
final class BusLink {
    private enum Cargo {
        case none
        case file(SharedFile, size: Int)
        /// A parcel's own. Closed when they are sent.
        case parcel(bytes: [UInt8], descriptors: [Int32], file: SharedFile?)
    }

    private struct Packet {
        var bytes: [UInt8]
        var cargo = Cargo.none
        /// How many messages are lost with it.
        var messages = 0

        /// What it counts for in the bound.
        var cost: Int {
            if case .file(_, let size) = cargo { bytes.count + size } else { bytes.count }
        }
        var isParcel: Bool { if case .parcel = cargo { true } else { false } }
    }

    let place: Int
    private unowned let bus: Bus
    private let socket: Int32
    private let loop: EventLoop
    /// Of the process that has the place now, as far as this one knows.
    private var age: UInt32
    /// The packet of this turn, with room for its header.
    private var batch: [UInt8] = []
    private var batchCount: UInt32 = 0
    /// Packets that wait, from `first` on.
    private var waiting: [Packet] = []
    private var first = 0
    private(set) var waitingBytes = 0
    private(set) var waitingMessages = 0
    /// Dropped since the last packet.
    private var lost: UInt32 = 0
    /// Of large messages that have been sent, and that the receiver has not told to have read.
    private var unread = 0
    private var watcher: IOWatcher?
    private var retry: TimerWatcher?

    init(_ bus: Bus, _ loop: EventLoop, place: Int, socket: Int32, age: UInt32) {
        self.bus = bus
        self.loop = loop
        self.place = place
        self.socket = socket
        self.age = age
    }

    var isWaiting: Bool { first < waiting.count }
    var hasBatch: Bool { batchCount > 0 }

    /// Bytes that wait for this receiver.
    static let bound = 8 << 20
    /// A message of this size or more rides in a file: what is less fits into a packet.
    static let largeSize = PacketSocket.largest - PacketHeader.size - PackedMessage.headSize
    /// Of large messages in the kernel that one receiver has not read.
    private static let mostUnread = 8 << 20

    // MARK: what is sent

    func add(_ message: PackedMessage) {
        let size = PackedMessage.size(channel: message.channel.count, payload: message.payload.count)
        if batch.count + size > PacketSocket.largest { sendBatch() }
        if batchCount == 0 {
            bus.linkHasBatch(self)
            if batch.isEmpty { batch.append(contentsOf: repeatElement(0, count: PacketHeader.size)) }
        }
        message.append(to: &batch)
        batchCount += 1
    }

    /// Sends a message whose payload is in the file.
    func addLarge(_ message: PackedMessage, _ file: SharedFile) {
        sendBatch()
        let head = PackedMessage(
            hash: message.hash, sequence: message.sequence, channel: message.channel,
            payload: UnsafeRawBufferPointer(start: nil, count: 0))
        var header = PacketHeader(.large, from: bus.sender)
        header.count = 1
        header.value = UInt64(message.payload.count)
        var bytes = [UInt8](repeating: 0, count: PacketHeader.size)
        head.append(to: &bytes)
        follow()
        guard !isWaiting || waitingBytes + bytes.count + message.payload.count <= Self.bound else { return drop(1) }
        header.targetAge = age
        header.lost = takeLost()
        header.write(to: &bytes)
        put(Packet(bytes: bytes, cargo: .file(file, size: message.payload.count), messages: 1))
    }

    /// Sends what has been collected in this turn.
    func sendBatch() {
        guard batchCount > 0 else { return }
        let count = Int(batchCount)
        batchCount = 0
        follow()
        if isWaiting, append(batch, count) {
            batch = []
            return bus.linkWaits()
        }
        guard !isWaiting || waitingBytes + batch.count <= Self.bound else {
            batch = []
            return drop(count)
        }
        var header = PacketHeader(.messages, from: bus.sender)
        header.count = UInt32(count)
        header.targetAge = age
        header.lost = takeLost()
        header.write(to: &batch)
        if !isWaiting, Mailbox.send(batch, to: socket) == .sent {
            bus.sent(count)
            return batch.removeAll(keepingCapacity: batch.capacity <= 40_960)
        }
        let bytes = batch
        batch = []
        put(Packet(bytes: bytes, messages: count))
    }

    /// Asks, answers, or tells. Never dropped: nobody sends many of these.
    func send(_ header: PacketHeader) {
        sendBatch()
        follow()
        var header = header
        header.targetAge = age
        header.lost = takeLost()
        put(Packet(bytes: header.bytes))
    }

    /// Sends a parcel, whose descriptors are the link's from here on; it gives them back to the bus if it cannot.
    func send(parcel bytes: [UInt8], _ descriptors: [Int32]) {
        sendBatch()
        follow()
        var header = PacketHeader(.parcel, from: bus.sender)
        header.targetAge = age
        header.lost = takeLost()
        var packet = [UInt8](repeating: 0, count: PacketHeader.size)
        var file: SharedFile?
        if bytes.count > PacketSocket.largest - PacketHeader.size {
            file = bytes.withUnsafeBytes { SharedFile($0) }
            guard file != nil else { return bus.parcelReturns(bytes, descriptors, place) }
            header.value = UInt64(bytes.count)
        } else {
            packet += bytes
        }
        header.write(to: &packet)
        put(Packet(bytes: packet, cargo: .parcel(bytes: bytes, descriptors: descriptors, file: file)))
    }

    /// Puts the messages of this turn behind those of the last packet that waits, if there is room. Returns whether
    /// they have gone anywhere.
    private func append(_ bytes: [UInt8], _ count: Int) -> Bool {
        guard waitingBytes + bytes.count <= Self.bound else {
            drop(count)
            return true
        }
        let last = waiting.count - 1
        guard lost == 0, waiting[last].messages > 0, case .none = waiting[last].cargo,
            waiting[last].bytes.count + bytes.count - PacketHeader.size <= PacketSocket.largest,
            let header = waiting[last].bytes.withUnsafeBytes({ PacketHeader($0) }), header.targetAge == age
        else { return false }
        var grown = header
        grown.count += UInt32(count)
        waiting[last].bytes += bytes[PacketHeader.size...]
        waiting[last].messages += count
        grown.write(to: &waiting[last].bytes)
        waitingBytes += bytes.count - PacketHeader.size
        waitingMessages += count
        return true
    }

    private func drop(_ messages: Int) {
        lost = UInt32(clamping: Int(lost) + messages)
        bus.dropped(messages, for: place)
    }

    /// Messages that could not even be made; the receiver is told.
    func lose(_ messages: Int) {
        sendBatch()
        follow()
        drop(messages)
        if !isWaiting { tellLost() }
    }

    private func tellLost() { send(PacketHeader(.messages, from: bus.sender)) }

    private func takeLost() -> UInt32 {
        let count = lost
        lost = 0
        return count
    }

    // MARK: what waits

    private func put(_ packet: Packet) {
        if !isWaiting, trySend(packet) { return }
        waiting.append(packet)
        waitingBytes += packet.cost
        waitingMessages += packet.messages
        bus.linkWaits()
    }

    /// Sends what waits, as far as that goes.
    private func goOn() {
        while isWaiting {
            guard trySend(waiting[first]) else { break }
            remove()
        }
        guard !isWaiting else { return }
        // Nothing follows that could tell of it.
        if lost > 0 { tellLost() }
        if !isWaiting { bus.linkIsDone() }
    }

    private func remove() {
        waitingBytes -= waiting[first].cost
        waitingMessages -= waiting[first].messages
        waiting[first] = Packet(bytes: [])
        first += 1
        if first == waiting.count {
            waiting = []
            first = 0
        } else if first >= 1024, first * 2 > waiting.count {
            waiting.removeFirst(first)
            first = 0
        }
    }

    /// Returns false if the packet has to wait; then somebody calls again.
    private func trySend(_ packet: Packet) -> Bool {
        var rights: [Int32] = []
        switch packet.cargo {
        case .none: break
        case .file(let file, let size):
            if unread > 0, unread + size > Self.mostUnread {
                watcher?.stop()
                return false
            }
            rights = [file.descriptor]
        case .parcel(_, let descriptors, let file): rights = (file.map { [$0.descriptor] } ?? []) + descriptors
        }
        switch Mailbox.send(packet.bytes, rights: rights, to: socket) {
        case .sent:
            watcher?.stop()
            bus.sent(packet.messages)
            switch packet.cargo {
            case .none: break
            case .file(_, let size): unread += size
            case .parcel(_, let descriptors, _): for descriptor in descriptors { Socket.close(descriptor) }
            }
            return true
        case .isFull:
            if watcher == nil {
                watcher = IOWatcher(loop, fileDescriptor: socket, events: .write) { [unowned self] _ in
                    LoopActor.assumeIsolated { self.goOn() }
                }
            }
            watcher?.start()
            return false
        case .isBusy:
            if retry == nil {
                retry = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.goOn() } }
            }
            if retry?.isActive == false { retry?.start(after: 0.01) }
            return false
        case .isGone:
            if packet.messages > 0 { drop(packet.messages) }
            giveBack(packet)
            return true
        }
    }

    /// The receiver has read large messages.
    func hasRead(_ bytes: Int) {
        unread = max(0, unread - bytes)
        goOn()
    }

    // MARK: another receiver

    /// Looks whether the place is another process's now: what waits for the former one is for nobody.
    func follow() {
        let present = bus.age(of: place)
        guard present != age else { return }
        age = present
        unread = 0
        lost = 0
        let old = waiting[first...]
        (waiting, first, waitingBytes, waitingMessages) = ([], 0, 0, 0)
        watcher?.stop()
        for packet in old { giveBack(packet) }
        bus.linkIsDone()
    }

    private func giveBack(_ packet: Packet) {
        guard case .parcel(let bytes, let descriptors, _) = packet.cargo else { return }
        bus.parcelReturns(bytes, descriptors, place)
    }

    /// Tries for the last time.
    func finish() {
        sendBatch()
        goOn()
    }
}

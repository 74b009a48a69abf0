// What comes to this process: messages for its subscribers, and what other processes ask.

import EvLoop

extension Bus {
    /// Packets in one turn of the loop, so that who is flooded serves its clients too.
    private static let mostPackets = 64
    /// Seconds after which the rest waits for the next turn. One message for 16,000 streams may take a second, and the
    /// next one is there then: without this bound such a worker does nothing else any more.
    private static let longestTurn = 0.005

    /// Nobody sends anything here from now on. What has been sent before is read.
    ///
    /// - Returns: whether all of it has been.
    package func withdraw() -> Bool {
        guard let seat, !isClosed else { return true }
        seat.ground.setLive(seat.place, false)
        return receive()
    }

    /// - Returns: whether nothing is left.
    func receive() -> Bool {
        guard let seat else { return true }
        guard !isReceiving else { return false }
        isReceiving = true
        defer { isReceiving = false }
        let socket = seat.ground.readingEnd(of: seat.place)
        let end = EventLoop.monotonicNow() + Self.longestTurn
        for _ in 0..<Self.mostPackets {
            var rights = self.rights
            self.rights = []
            guard case .packet(let count, let isCut) = Mailbox.receive(from: socket, buffer, &rights) else {
                return true
            }
            // Whoever has sent this may know of subscriptions that another thread has just asked for.
            LoopExecutor.shared.takeSubmitted()
            if !isClosed { handle(UnsafeRawBufferPointer(rebasing: buffer[..<count]), &rights, isCut, seat) }
            for descriptor in rights { Socket.close(descriptor) }
            rights.removeAll(keepingCapacity: true)
            self.rights = rights
            if isClosed || EventLoop.monotonicNow() > end { return isClosed }
        }
        return false
    }

    /// - Parameter rights: what is left there is closed.
    private func handle(_ bytes: UnsafeRawBufferPointer, _ rights: inout [Int32], _ isCut: Bool, _ seat: BusSeat) {
        guard let header = PacketHeader(bytes) else { return }
        let rest = UnsafeRawBufferPointer(rebasing: bytes[PacketHeader.size...])
        if header.kind == .parcel { return take(parcel: header, rest, &rights, isCut) }
        guard header.targetAge == seat.age else { return }
        if header.lost > 0 { missed(BusGap(source: .process(header.sender), count: Int(header.lost))) }
        switch header.kind {
        case .messages:
            var rest = rest
            while let message = PackedMessage.take(from: &rest) {
                received(message, header.sender) { Array(message.payload) }
            }
        case .large:
            var rest = rest
            guard let message = PackedMessage.take(from: &rest), header.value <= UInt64(Self.largestPayload) else {
                return
            }
            receiveLarge(message, header, rights.first)
        case .read: existingLink(to: Int(header.sender.place))?.hasRead(Int(clamping: header.value))
        case .parcel: break
        case .flush: answer(header)
        case .beginJournal:
            beginJournal(for: header.sender)
            answer(header)
        case .endJournal: endJournal(for: header.sender)
        case .answer: answered(header.value, by: Int(header.sender.place))
        case .left: left(header.sender, lost: Int(clamping: header.value))
        case .gap: missed(BusGap(source: .elsewhere, count: header.value == 0 ? nil : Int(clamping: header.value)))
        }
    }

    private func received(_ message: PackedMessage, _ sender: BusSender, _ payload: () -> [UInt8]?) {
        statistics.received &+= 1
        let channel = channels.find(message.hash, message.channel)
        guard channel != nil || tap != nil || journal != nil else {
            return position.advance(sender, to: message.sequence)
        }
        guard let payload = payload() else {
            position.advance(sender, to: message.sequence)
            return missed(BusGap(source: .process(sender), count: 1))
        }
        deliver(
            BusMessage(
                channel: channel?.name ?? Array(message.channel), payload: payload, sender: sender,
                sequence: message.sequence),
            message.hash)
    }

    private func receiveLarge(_ message: PackedMessage, _ header: PacketHeader, _ file: Int32?) {
        received(message, header.sender) {
            file.flatMap { SharedFile.read($0, count: Int(header.value)) }
        }
        guard let link = link(to: Int(header.sender.place)), age(of: link.place) == header.sender.age else { return }
        var receipt = PacketHeader(.read, from: sender)
        receipt.value = header.value
        link.send(receipt)
    }

    /// To everybody here who wants it.
    func deliver(_ message: BusMessage, _ hash: UInt64, isRelayed: Bool = false) {
        position.advance(message.sender, to: message.sequence)
        journal?.add(message, hash)
        if journal?.isFull == true { forgetGivers() }
        if !isRelayed { tap?(message) }
        guard let channel = message.channel.withUnsafeBytes({ channels.find(hash, $0) }) else { return }
        statistics.delivered &+= channel.deliver(message)
    }

    func missed(_ gap: BusGap) {
        statistics.gaps &+= 1
        statistics.lost &+= gap.count ?? 0
        for observer in gapObservers { observer(gap) }
    }

    /// Tells every process of the server that messages from elsewhere have been lost.
    ///
    /// - Parameter count: nil where nobody knows.
    package func tellGap(_ count: Int? = nil) {
        var notice = PacketHeader(.gap, from: sender)
        notice.value = UInt64(count ?? 0)
        seat?.ground.forEachLive { place in if place != seat?.place { link(to: place)?.send(notice) } }
        missed(BusGap(source: .elsewhere, count: count))
    }

    private func left(_ process: BusSender, lost: Int) {
        let place = Int(process.place)
        existingLink(to: place)?.follow()
        endJournal(for: process)
        heirs.removeAll { $0 == place }
        if lost > 0 { missed(BusGap(source: .process(process), count: nil)) }
        stopWaiting(for: place)
    }
}

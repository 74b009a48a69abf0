// Messages between the processes of one server, and inside this one. What is published goes to those that have a
// subscriber of the channel, as their filters tell, and to nobody else; the messages of one turn of the loop share
// packets. Nobody ever waits: see BusLink.swift for receivers that do not read.

package import EvLoop
import Glibc

@LoopActor
package final class Bus {
    /// What has happened so far; in messages, if nothing else is said.
    package struct Statistics: Equatable {
        package var published = 0
        /// Once for each process that they were sent to.
        package var sent = 0
        /// From other processes.
        package var received = 0
        /// Once for each subscriber.
        package var delivered = 0
        /// Not sent, because the receiver was too slow.
        package var dropped = 0
        /// Not received, for the same reason, from wherever.
        package var lost = 0
        package var gaps = 0
        /// Descriptors of parcels that could not be opened here.
        package var cutParcels = 0

        package init() {}
    }

    /// The longest name of a channel, in bytes.
    nonisolated package static let longestChannel = 1024
    /// The largest payload, in bytes.
    nonisolated package static let largestPayload = 16 << 20

    let loop: EventLoop
    /// Nil without other processes.
    package let seat: BusSeat?
    package let sender: BusSender
    package internal(set) var statistics = Statistics()
    /// How far the messages of others, and its own, have been handled here.
    package internal(set) var position = BusPosition()
    var channels = ChannelTable()
    nonisolated let promises = BusPromises()
    private var sequence: UInt64 = 0

    /// By place, made when they are needed.
    private var links: [BusLink?] = []
    private var batched: [BusLink] = []
    private var waitingLinks = 0
    private var isMarked = false
    private var isTurnOpen = false
    /// Published here, for subscribers here.
    private var local: [(hash: UInt64, message: BusMessage, isRelayed: Bool)] = []

    private var watcher: IOWatcher?
    let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: PacketSocket.largest, alignment: 16)
    var rights: [Int32] = []
    var isReceiving = false
    private(set) var isClosed = false

    /// Called when messages have been lost.
    package var gapObservers: [(BusGap) -> Void] = []
    /// Gets every message of every channel, if set; see ``tapAll(_:)``.
    var tap: ((BusMessage) -> Void)?

    // Questions to other processes: Bus+Questions.swift.
    var questions: [UInt64: BusQuestion] = [:]
    var lastQuestion: UInt64 = 0

    // Hand-over: Bus+Handover.swift.
    /// Whoever gets what this process gets, too.
    var heirs: [Int] = []
    var journal: BusJournal?

    // Parcels: Bus+Parcels.swift.
    var parcelsWaiting: [BusParcel] = []
    /// Gets what other processes send; what has come before it was set, too.
    package var onParcel: ((BusParcel) -> Void)? { didSet { deliverParcels() } }
    /// Gets a parcel that could not be sent, with its descriptors, because its receiver has ended.
    package var onParcelReturned: ((_ bytes: [UInt8], _ descriptors: [Int32], _ place: Int) -> Void)?

    /// - Parameter seat: nil for a process without siblings.
    package init(_ loop: EventLoop, seat: BusSeat? = nil) {
        self.loop = loop
        self.seat = seat
        sender = seat?.sender ?? BusSender(place: 0, age: 1)
        guard let seat else { return }
        links = Array(repeating: nil, count: seat.ground.count)
        let watcher = IOWatcher(loop, fileDescriptor: seat.ground.readingEnd(of: seat.place), events: .read) {
            [unowned self] _ in LoopActor.assumeIsolated { _ = self.receive() }
        }
        self.watcher = watcher
        watcher.start()
        seat.ground.setLive(seat.place, true)
    }

    isolated deinit {
        if !isClosed { close() }
        buffer.deallocate()
    }

    /// Sends what can be sent still, and leaves.
    package func close() {
        guard !isClosed else { return }
        isClosed = true
        watcher?.stop()
        guard let seat else { return }
        seat.ground.setLive(seat.place, false)
        for case let link? in links { link.finish() }
        for parcel in parcelsWaiting { for descriptor in parcel.descriptors { Socket.close(descriptor) } }
        parcelsWaiting = []
        if waitingLinks == 0 { seat.ground.mark(seat.place, false) }
        links = []
        batched = []
    }

    /// Reads no messages until ``resume()``, as a process that has been stopped.
    package func pause() { watcher?.stop() }
    package func resume() { watcher?.start() }

    // MARK: publish

    /// Sends a message to all subscribers of the channel in all processes, this one included, after the present turn.
    ///
    /// - Returns: false if the name or the payload is too long; then nobody gets it.
    @discardableResult
    package func publish(_ channel: [UInt8], _ payload: [UInt8]) -> Bool { publish(channel, payload, isRelayed: false) }

    /// - Parameter isRelayed: it comes from elsewhere, and the tap does not get it.
    @discardableResult
    func publish(_ channel: [UInt8], _ payload: [UInt8], isRelayed: Bool) -> Bool {
        guard !channel.isEmpty, channel.count <= Self.longestChannel, payload.count <= Self.largestPayload else {
            return false
        }
        guard !isClosed else { return true }
        sequence &+= 1
        statistics.published &+= 1
        let hash = hash(channel)
        if tap != nil || journal != nil || channels.isWanted(ChannelTable.bucket(hash)) {
            let message = BusMessage(channel: channel, payload: payload, sender: sender, sequence: sequence)
            local.append((hash, message, isRelayed))
            openTurn()
        }
        if let seat { send(channel, payload, hash, seat) }
        return true
    }

    private func send(_ channel: [UInt8], _ payload: [UInt8], _ hash: UInt64, _ seat: BusSeat) {
        // First this and then the filters, for whoever changes one.
        if !isMarked {
            isMarked = true
            seat.ground.mark(seat.place, true)
        }
        openTurn()
        let bucket = ChannelTable.bucket(hash)
        channel.withUnsafeBytes { channel in
            payload.withUnsafeBytes { payload in
                let message = PackedMessage(hash: hash, sequence: sequence, channel: channel, payload: payload)
                let isLarge = channel.count + payload.count > BusLink.largeSize
                var file: SharedFile?
                seat.ground.forEachLive { place in
                    guard place != seat.place, seat.ground.wants(place, bucket), let link = link(to: place) else {
                        return
                    }
                    guard isLarge else { return link.add(message) }
                    file = file ?? SharedFile(payload)
                    if let file { link.addLarge(message, file) } else { link.lose(1) }
                }
            }
        }
    }

    func hash(_ channel: [UInt8]) -> UInt64 {
        channel.withUnsafeBytes { bytes in
            if let seat { return seat.ground.hash(bytes) }
            var hasher = Hasher()
            hasher.combine(bytes: bytes)
            return UInt64(bitPattern: Int64(hasher.finalize()))
        }
    }

    // MARK: subscribe

    /// - Returns: false if it was subscribed already, or the name is empty or too long.
    @discardableResult
    package func subscribe(_ channel: [UInt8], _ subscriber: any BusSubscriber) -> Bool {
        guard !channel.isEmpty, channel.count <= Self.longestChannel else { return false }
        let hash = hash(channel)
        if let known = channel.withUnsafeBytes({ channels.find(hash, $0) }) { return known.add(subscriber) }
        let (added, isFirst) = channels.insert(channel, hash)
        if isFirst, let seat {
            let bucket = ChannelTable.bucket(hash)
            seat.ground.want(seat.place, bucket)
            for heir in heirs { seat.ground.want(heir, bucket) }
        }
        return added.add(subscriber)
    }

    /// - Returns: false if it was not subscribed.
    @discardableResult
    package func unsubscribe(_ channel: [UInt8], _ subscriber: any BusSubscriber) -> Bool {
        let hash = hash(channel)
        guard let known = channel.withUnsafeBytes({ channels.find(hash, $0) }), known.remove(subscriber) else {
            return false
        }
        guard known.isEmpty, channels.remove(known) else { return true }
        promises.unwant(ChannelTable.bucket(hash), unwant)
        return true
    }

    private func unwant(_ bucket: UInt32) {
        guard let seat, tap == nil, journal == nil, !channels.isWanted(bucket) else { return }
        seat.ground.unwant(seat.place, bucket)
    }

    /// Before another thread's subscription is on its way to the loop: what is published from now on in any process
    /// waits for it. On any thread; ``keepPromise()`` follows when the subscription has been made.
    nonisolated package func promise(_ channel: [UInt8]) {
        guard let seat else { return }
        promises.add(ChannelTable.bucket(channel.withUnsafeBytes { seat.ground.hash($0) }), seat)
    }

    package func keepPromise() {
        if seat != nil { promises.keep(unwant) }
    }

    /// How many channels have a subscriber in this process.
    package var channelCount: Int { channels.count }

    /// From now on the process gets every message of the server, whatever its channel.
    ///
    /// - Parameter tap: called for each message, also for those of this process, before its subscribers.
    package func tapAll(_ tap: @escaping (BusMessage) -> Void) {
        self.tap = tap
        if let seat { seat.ground.wantAll(seat.place) }
    }

    // MARK: the turn

    /// What is published in a turn is sent and delivered when its callbacks have run.
    private func openTurn() {
        guard !isTurnOpen else { return }
        isTurnOpen = true
        LoopExecutor.shared.later { [weak self] in LoopActor.assumeIsolated { self?.endTurn() } }
    }

    private func endTurn() {
        isTurnOpen = false
        sendBatches()
        deliverLocal()
    }

    private func sendBatches() {
        if !batched.isEmpty {
            let links = batched
            batched = []
            for link in links { link.sendBatch() }
        }
        clearMark()
    }

    func deliverLocal() {
        guard !local.isEmpty else { return }
        let messages = local
        local = []
        for (hash, message, isRelayed) in messages { deliver(message, hash, isRelayed: isRelayed) }
    }

    private func clearMark() {
        guard isMarked, waitingLinks == 0, batched.isEmpty, let seat else { return }
        isMarked = false
        seat.ground.mark(seat.place, false)
    }

    // MARK: links

    func link(to place: Int) -> BusLink? {
        guard let seat, place >= 0, place < links.count else { return nil }
        if let link = links[place] { return link }
        let link = BusLink(
            self, loop, place: place, socket: seat.ground.sendingEnd(of: place), age: seat.ground.age(of: place))
        links[place] = link
        return link
    }

    func existingLink(to place: Int) -> BusLink? { place < links.count ? links[place] : nil }

    func age(of place: Int) -> UInt32 { seat?.ground.age(of: place) ?? 0 }

    func linkHasBatch(_ link: BusLink) { batched.append(link) }

    func linkWaits() { countWaiting() }

    func linkIsDone() {
        countWaiting()
        clearMark()
    }

    private func countWaiting() {
        guard let seat else { return }
        waitingLinks = 0
        var messages = 0
        for case let link? in links where link.isWaiting {
            waitingLinks += 1
            messages += link.waitingMessages
        }
        // Whatever waits has to be known to those that ask for a flush.
        if waitingLinks > 0, !isMarked {
            isMarked = true
            seat.ground.mark(seat.place, true)
        }
        seat.ground.setWaiting(seat.place, messages)
    }

    /// Bytes that wait for processes that do not read.
    package var outboxBytes: Int { links.reduce(0) { $0 + ($1?.waitingBytes ?? 0) } }

    func sent(_ messages: Int) { statistics.sent &+= messages }

    func dropped(_ messages: Int, for place: Int) {
        statistics.dropped &+= messages
        seat?.ground.countDropped(messages, for: place)
    }
}

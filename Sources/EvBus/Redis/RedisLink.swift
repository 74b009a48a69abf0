// The bus between servers: every message of this server goes to one channel of Redis, and what others write there goes
// to the processes of this one. One process of a server does this for all. While Redis is slow or away, messages
// wait up to a bound; what is lost, here or there, its receivers are told.

package import EvLoop
import Glibc
package import Logging

@LoopActor
package final class RedisLink {
    package struct Statistics: Equatable {
        /// Messages given to Redis, and those that came from other servers through it.
        package var sent = 0
        package var received = 0
        /// Messages that Redis has not taken.
        package var dropped = 0
        package var reconnects = 0
    }

    private let bus: Bus
    private let address: RedisAddress
    private let logger: Logger
    /// Of this process: what comes back with it is its own.
    private let origin: [UInt8]
    private let channel: [UInt8]
    package private(set) var statistics = Statistics()
    private var tasks: [Task<Void, Never>] = []

    /// What waits for Redis, from `first` on.
    private var queue: [BusMessage] = []
    private var first = 0
    package private(set) var waitingBytes = 0
    private var nextNumber: UInt64 = 1
    private let news = LoopCondition()

    private var isPublishing = false
    private var isSubscribed = false
    /// Whether others may have published what this server has not got.
    private var mayHaveMissed: Bool
    /// Whether other servers are to be told that a process before this one may have lost messages.
    private var followsAnother: Bool
    private var hasToldLoss = false
    private var hasToldRefusal = false
    /// In monotonic seconds. A Redis that refuses every second message fills no log.
    private var refusalToldAt = -refusalPause
    private static let refusalPause = 60.0
    /// Other servers are to be told the next number: something has been lost and nothing has followed that shows it, or
    /// they may not know this server yet.
    private var owesNotice = false
    /// The number of the next message of each other server.
    private var expected: [[UInt8]: UInt64] = [:]

    /// Bytes that wait for Redis.
    private static let bound = 16 << 20
    /// Of one command to Redis, unless one message is larger.
    private static let chunk = 131_072
    /// Servers whose numbers are known; more than that have come and gone.
    private static let mostOrigins = 1024
    /// Without a word of Redis, it is asked whether it is there; and without a message, other servers are told the
    /// number of the next one.
    private static let quiet = Duration.seconds(15)

    /// - Parameter isLate: the server ran before this process did.
    package init(_ bus: Bus, _ address: RedisAddress, isLate: Bool, _ logger: Logger) {
        mayHaveMissed = isLate
        followsAnother = isLate
        self.bus = bus
        self.address = address
        self.logger = logger
        var origin = [UInt8](repeating: 0, count: RedisMessages.originSize)
        origin.withUnsafeMutableBytes { RandomBytes.fill($0) }
        self.origin = origin
        channel = Array((address.prefix + "bus").utf8)
    }

    /// Both connections stand.
    package var isConnected: Bool { isPublishing && isSubscribed }

    package func start() {
        bus.tapAll { [weak self] in self?.take($0) }
        // What a process of this server could not give to this one, others have not got either.
        bus.gapObservers.append { [weak self] gap in
            if case .process = gap.source { self?.missed(gap.count ?? 1) }
        }
        tasks = [
            Task(executorPreference: LoopActor.taskExecutor) { await self.keepTrying(self.publish) },
            Task(executorPreference: LoopActor.taskExecutor) { await self.keepTrying(self.subscribe) },
        ]
    }

    package func stop() {
        for task in tasks { task.cancel() }
        tasks = []
    }

    // MARK: connections

    /// Runs until cancelled; a connection that ends is followed by another one, later each time it ends at once.
    private func keepTrying(_ body: () async throws -> Void) async {
        var pause = 0.1
        while !Task.isCancelled {
            let begun = EventLoop.monotonicNow()
            do {
                try await body()
            } catch {
                if Task.isCancelled { return }
                isCutOff("\(error)")
            }
            if EventLoop.monotonicNow() - begun > 10 { pause = 0.1 }
            // Not all servers at once, when Redis comes back.
            try? await Task.sleep(for: .seconds(pause * Double.random(in: 0.5...1)), clock: .loop)
            pause = min(pause * 2, 5)
        }
    }

    private func isCutOff(_ reason: String) {
        mayHaveMissed = true
        guard !hasToldLoss else { return }
        hasToldLoss = true
        logger.warning("The bus is cut off from other servers: \(address): \(reason) (pid: \(getpid()))")
    }

    private func standsNow() {
        guard isConnected else { return }
        if hasToldLoss { statistics.reconnects += 1 }
        logger.info(
            "The bus reaches other servers \(hasToldLoss ? "again " : "")through \(address) (pid: \(getpid()))")
        hasToldLoss = false
    }

    // MARK: to Redis

    private func take(_ message: BusMessage) {
        let size = RedisMessages.size(message)
        guard waitingBytes + size <= Self.bound || queue.isEmpty else {
            // The number that it would have had is missed by whoever gets the next one.
            lose(1)
            return skip()
        }
        queue.append(message)
        waitingBytes += size
        if queue.count - first == 1 { news.notifyAll() }
    }

    private func missed(_ count: Int) {
        lose(count)
        skip(UInt64(clamping: count))
        if first == queue.count { news.notifyAll() }
    }

    /// Where messages were dropped behind those that wait.
    private var gaps: [(position: Int, count: UInt64)] = []
    /// How many have been taken from the queue so far.
    private var taken = 0

    private func skip(_ count: UInt64 = 1) {
        let position = taken + queue.count - first
        if let last = gaps.last, last.position == position {
            gaps[gaps.count - 1].count &+= count
        } else {
            gaps.append((position, count))
        }
    }

    private func publish() async throws {
        let connection = try await RedisConnection.open(address)
        defer {
            connection.close()
            isPublishing = false
        }
        isPublishing = true
        // Whoever knows the next number knows also when the first messages do not come.
        owesNotice = true
        standsNow()
        while true {
            var bytes: [UInt8] = []
            if let notice = nextNotice() {
                respCommand([Array("PUBLISH".utf8), channel, notice.bytes], to: &bytes)
                try await connection.write(bytes)
                if note(try await connection.reply(), 0) {
                    if followsAnother { followsAnother = false } else { owesNotice = !gaps.isEmpty }
                    continue
                }
                bytes = []
                // Refused: again with the next message, or later.
                if first == queue.count { _ = try await news.wait(atMost: Self.quiet) }
            } else if first == queue.count, try await !news.wait(atMost: Self.quiet) {
                owesNotice = true
                continue
            }
            let messages = nextCommand(to: &bytes)
            guard messages > 0 else { continue }
            do {
                try await connection.write(bytes)
                if note(try await connection.reply(), messages) {
                    statistics.sent += messages
                    owesNotice = !gaps.isEmpty
                }
            } catch {
                // Whether Redis has taken them nobody knows; sent again, some would come twice.
                lose(messages)
                throw error
            }
        }
    }

    private func lose(_ messages: Int) {
        statistics.dropped += messages
        owesNotice = true
    }

    /// What tells other servers of losses, where no message follows that would; nil if there is nothing to tell.
    private func nextNotice() -> RedisMessages? {
        if followsAnother { return RedisMessages(origin: origin, first: RedisMessages.unknown, messages: []) }
        guard owesNotice, first == queue.count else { return nil }
        while let gap = gaps.first {
            nextNumber &+= gap.count
            gaps.removeFirst()
        }
        return RedisMessages(origin: origin, first: nextNumber, messages: [])
    }

    /// Takes messages from the queue. Returns how many the command publishes.
    private func nextCommand(to bytes: inout [UInt8]) -> Int {
        var messages: [RedisMessages.Message] = []
        var size = 0
        while first < queue.count, size < Self.chunk {
            if let gap = gaps.first, gap.position <= taken {
                // What comes next has another number than the one after the last.
                if !messages.isEmpty { break }
                nextNumber &+= gap.count
                gaps.removeFirst()
            }
            let message = queue[first]
            messages.append((message.channel, message.payload))
            size += RedisMessages.size(message)
            first += 1
            taken += 1
        }
        waitingBytes -= size
        if first == queue.count {
            queue.removeAll(keepingCapacity: queue.count < 1024)
            first = 0
        } else if first > 4096, first * 2 > queue.count {
            queue.removeFirst(first)
            first = 0
        }
        guard !messages.isEmpty else { return 0 }
        let packed = RedisMessages(origin: origin, first: nextNumber, messages: messages)
        nextNumber &+= UInt64(messages.count)
        respCommand([Array("PUBLISH".utf8), channel, packed.bytes], to: &bytes)
        return messages.count
    }

    /// Returns whether Redis has taken the messages.
    private func note(_ reply: RESPValue, _ messages: Int) -> Bool {
        guard case .error(let reason) = reply else {
            hasToldRefusal = false
            return true
        }
        lose(messages)
        let now = EventLoop.monotonicNow()
        guard !hasToldRefusal, now - refusalToldAt >= Self.refusalPause else { return false }
        (hasToldRefusal, refusalToldAt) = (true, now)
        logger.warning("Redis refuses what is published: \(RedisError.shown(reason)) (pid: \(getpid()))")
        return false
    }

    // MARK: from Redis

    private func subscribe() async throws {
        let connection = try await RedisConnection.open(address)
        defer {
            connection.close()
            isSubscribed = false
        }
        let name = String(decoding: channel, as: UTF8.self)
        guard case .array(let confirmation?) = try await connection.command(["SUBSCRIBE", name]),
            confirmation.first == .bulk(Array("subscribe".utf8))
        else { throw RedisError.unexpected }
        isSubscribed = true
        // What was published meanwhile has not come here.
        if mayHaveMissed { bus.tellGap() }
        mayHaveMissed = true
        expected = [:]
        standsNow()
        var hasAsked = false
        while true {
            do {
                let reply = try await connection.reply(within: hasAsked ? RedisConnection.patience : Self.quiet)
                hasAsked = false
                if case .error(let reason) = reply { throw RedisError.refused(reason) }
                guard case .array(let parts?) = reply, parts.count == 3, parts[0] == .bulk(Array("message".utf8)),
                    case .bulk(let payload?) = parts[2]
                else { continue }
                received(payload)
            } catch LoopStreamError.timedOut where !hasAsked {
                hasAsked = true
                try await connection.send(["PING"])
            }
        }
    }

    private func received(_ payload: [UInt8]) {
        guard let packed = RedisMessages(payload), packed.origin != origin else { return }
        if packed.messages.isEmpty, packed.first == RedisMessages.unknown { return bus.tellGap() }
        if let next = expected[packed.origin] {
            // Less than that is a server that has started anew with an old id, which cannot be.
            if packed.first > next { bus.tellGap(Int(clamping: packed.first - next)) }
        } else if expected.count >= Self.mostOrigins {
            expected = [:]
        }
        expected[packed.origin] = packed.first &+ UInt64(packed.messages.count)
        for (channel, payload) in packed.messages { bus.publish(channel, payload, isRelayed: true) }
        statistics.received += packed.messages.count
    }
}

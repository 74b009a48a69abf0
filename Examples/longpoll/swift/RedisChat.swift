// The room in Redis: a list of the newest messages, a counter, and a channel on which every worker gets new messages.
// One subscription per worker. A worker first subscribes and then reads the list, so that it misses no message.
import EvGateway

@LoopActor
final class RedisChat {
    private static let channel = "chat"
    private static let (counter, list) = ("chat:last", "chat:messages")

    /// One atomic step, so that ids have no gaps and the list and the channel have the same order.
    private static let publishing = """
        local id = redis.call('INCR', KEYS[1])
        local json = '{"id":' .. id .. ',' .. string.sub(ARGV[1], 2)
        redis.call('RPUSH', KEYS[2], json)
        redis.call('LTRIM', KEYS[2], -\(History.kept), -1)
        redis.call('PUBLISH', '\(channel)', json)
        return id
        """

    private let url: RedisURL
    private let commands: RedisCommands
    private var following: Task<Void, Never>?
    private var hasTried = false
    private let tried = LoopCondition()
    /// Everything that is published reaches this worker.
    private(set) var isSubscribed = false

    init(_ url: RedisURL) {
        self.url = url
        commands = RedisCommands(url)
    }

    /// - Parameter fields: the message without its id.
    /// - Returns: its id.
    func publish(_ fields: [UInt8]) async throws(RedisError) -> Int {
        let words = ["EVAL", Self.publishing, "2", Self.counter, Self.list, String(decoding: fields, as: UTF8.self)]
        guard case .integer(let id) = try await commands.run(words) else { throw .unexpected }
        return id
    }

    /// The newest id in Redis, whichever worker published the message.
    func last() async throws(RedisError) -> Int {
        switch try await commands.run(["GET", Self.counter]) {
        case .bulk(nil): return 0
        case .bulk(let digits?):
            guard let id = Message.id(digits) else { throw .unexpected }
            return id
        default: throw .unexpected
        }
    }

    // MARK: the subscription

    /// Keeps the chat up to date until `unfollow()`. Returns when the first attempt has succeeded or failed.
    func follow(_ chat: Chat) async {
        following = Task(executorPreference: LoopActor.taskExecutor) { await self.subscribe(for: chat) }
        if !hasTried { _ = try? await tried.wait() }
    }

    func unfollow() { following?.cancel() }

    private func subscribe(for chat: Chat) async {
        var pause = Duration.milliseconds(100)
        while !Task.isCancelled {
            do {
                let connection = try await RedisConnection.open(url)
                try await begin(connection, chat)
                pause = .milliseconds(100)
                try await listen(connection, chat)
            } catch {
                if Task.isCancelled { break }
                if isSubscribed || !hasTried { Gateway.logger.warning("No subscription to Redis: \(error)") }
            }
            isSubscribed = false
            triedOnce()
            try? await Task.sleep(for: pause, clock: .loop)
            pause = min(pause * 2, .seconds(5))
        }
        triedOnce()
    }

    private func begin(_ connection: RedisConnection, _ chat: Chat) async throws {
        guard case .array(let confirmation?) = try await connection.command(["SUBSCRIBE", Self.channel]),
            confirmation.first == .bulk(Array("subscribe".utf8))
        else { throw RedisError.unexpected }
        try await fill(chat)
        isSubscribed = true
        if hasTried { Gateway.logger.info("Subscribed to Redis") }
        triedOnce()
    }

    private func triedOnce() {
        guard !hasTried else { return }
        hasTried = true
        tried.notifyAll()
    }

    private func fill(_ chat: Chat) async throws {
        guard case .array(let elements?) = try await commands.run(["LRANGE", Self.list, "0", "-1"]) else {
            throw RedisError.unexpected
        }
        chat.fill(elements.compactMap(Self.message))
    }

    private func listen(_ connection: RedisConnection, _ chat: Chat) async throws {
        var hasAsked = false
        while true {
            do {
                // Without messages, a dead connection looks like a channel on which nobody writes. So after 30 s a PING
                // is sent, which must be answered.
                let reply = try await connection.reply(within: hasAsked ? RedisConnection.patience : .seconds(30))
                hasAsked = false
                guard case .array(let parts?) = reply, parts.count == 3, parts[0] == .bulk(Array("message".utf8)),
                    let message = Self.message(parts[2])
                else { continue }
                if !chat.take(message) { try await fill(chat) }
            } catch LoopStreamError.timedOut where !hasAsked {
                hasAsked = true
                try await connection.send(["PING"])
            }
        }
    }

    private static func message(_ value: RESPValue) -> Message? {
        guard case .bulk(let json?) = value else { return nil }
        return Message(json)
    }
}

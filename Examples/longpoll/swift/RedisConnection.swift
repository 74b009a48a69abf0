// One connection to Redis, and the queue of commands that share one. Every wait has an end, so that a Redis that hangs
// is one that does not answer.
import EvGateway

enum RedisError: Error, Equatable, CustomStringConvertible {
    /// The answer was an error.
    case refused(String)
    /// There is no connection, or it broke before the answer came.
    case lost(String)
    /// An answer that does not fit its command.
    case unexpected

    var description: String {
        switch self {
        case .refused(let reason): "Redis refuses: \(reason)"
        case .lost(let reason): "Redis does not answer: \(reason)"
        case .unexpected: "Redis gave an answer of another kind"
        }
    }
}

@LoopActor
final class RedisConnection {
    static let patience = Duration.seconds(5)

    private let stream: LoopStream
    private var parser = RESPParser()

    private init(_ stream: LoopStream) { self.stream = stream }

    static func open(_ url: RedisURL) async throws -> RedisConnection {
        let connection = RedisConnection(try await LoopStream.connect(to: url.address, within: patience))
        if let password = url.password {
            _ = try await connection.command(["AUTH"] + [url.user, password].compactMap(\.self))
        }
        if url.database != 0 { _ = try await connection.command(["SELECT", String(url.database)]) }
        return connection
    }

    func send(_ words: [String]) async throws {
        try await stream.write(respCommand(words.map { Array($0.utf8) }), within: Self.patience)
    }

    /// The next reply or published message.
    /// - Throws: `LoopStreamError.timedOut` when nothing came; the connection goes on.
    func reply(within limit: Duration = patience) async throws -> RESPValue {
        while true {
            if let reply = try parser.next() { return reply }
            let bytes = try await stream.read(atMost: 16_384, within: limit)
            guard !bytes.isEmpty else { throw RedisError.lost("it closed the connection") }
            parser.append(bytes)
        }
    }

    func command(_ words: [String]) async throws -> RESPValue {
        try await send(words)
        let reply = try await reply()
        if case .error(let reason) = reply { throw RedisError.refused(reason) }
        return reply
    }

    /// Whether Redis has said nothing since its last answer: what it says unasked is that it ends the connection.
    func isQuiet() async -> Bool {
        do {
            _ = try await stream.read(atMost: 1, within: .zero)
            return false
        } catch {
            return error as? LoopStreamError == .timedOut
        }
    }
}

/// Commands of many requests on one connection, one after the other; it opens with the first of them.
@LoopActor
final class RedisCommands {
    private let url: RedisURL
    private var connection: RedisConnection?
    private var latest: Task<RESPValue, any Error>?
    /// How many commands have failed for want of an answer.
    private var failures = 0

    init(_ url: RedisURL) { self.url = url }

    /// The answer to a command. A command that was given up by who asked is finished nevertheless.
    func run(_ words: [String]) async throws(RedisError) -> RESPValue {
        let (before, failures) = (latest, failures)
        let task = Task(executorPreference: LoopActor.taskExecutor) {
            _ = await before?.result
            return try await self.exchange(words, queuedAt: failures)
        }
        latest = task
        do { return try await task.value } catch {
            throw error as? RedisError ?? .lost("\(error)")
        }
    }

    private func exchange(_ words: [String], queuedAt failures: Int) async throws -> RESPValue {
        // Whoever queued behind a command that got no answer would wait as long again.
        guard failures == self.failures else { throw RedisError.lost("an earlier command got no answer") }
        do {
            if await connection?.isQuiet() == false { connection = nil }
            let connection = if let connection { connection } else { try await RedisConnection.open(url) }
            self.connection = connection
            return try await connection.command(words)
        } catch let error as RedisError {
            if case .refused = error { throw error }
            drop()
            throw error
        } catch {
            drop()
            throw error
        }
    }

    private func drop() {
        connection = nil
        failures += 1
    }
}

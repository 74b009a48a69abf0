// One connection to Redis, and the queue of commands that share one. Every wait has a time limit, so that a Redis that
// hangs is treated like one that cannot be reached.
import EvGateway

enum RedisError: Error, Equatable, CustomStringConvertible {
    /// Redis answered with an error.
    case refused(String)
    /// There is no connection, or it broke before the answer came.
    case lost(String)
    /// Redis answered with a value of the wrong kind.
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

    /// Returns the next reply or published message.
    /// - Throws: `LoopStreamError.timedOut` if nothing came in time; the connection can still be used.
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

    /// Returns true if nothing has arrived since the last answer. Bytes that no command asked for, or the end of the
    /// stream, mean that Redis has closed the connection.
    func isQuiet() async -> Bool {
        do {
            _ = try await stream.read(atMost: 1, within: .zero)
            return false
        } catch {
            return error as? LoopStreamError == .timedOut
        }
    }
}

/// Runs the commands of many requests on one connection, one after the other. The first command opens it.
@LoopActor
final class RedisCommands {
    private let url: RedisURL
    private var connection: RedisConnection?
    private var latest: Task<RESPValue, any Error>?
    /// The number of commands that failed because no answer came.
    private var failures = 0

    init(_ url: RedisURL) { self.url = url }

    /// Returns the answer to a command. The command is also finished when the task that asked is cancelled.
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
        // A command that was queued behind one that got no answer fails at once, instead of waiting as long again.
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

// One connection to Redis, with TLS where that is asked for. Every wait has a time limit, so that a Redis that hangs is
// treated like one that cannot be reached.

import CTLS
import EvLoop
import Glibc

enum RedisError: Error, Equatable, CustomStringConvertible {
    /// Redis answered with an error.
    case refused(String)
    /// There is no connection, or it broke before the answer came.
    case lost(String)
    /// Redis answered with a value of the wrong kind.
    case unexpected

    var description: String {
        switch self {
        case .refused(let reason): "Redis refuses: \(Self.shown(reason))"
        case .lost(let reason): reason
        case .unexpected: "Redis gave an answer of another kind"
        }
    }

    /// A text of Redis for the log: at most 200 characters, in one line.
    static func shown(_ reason: String) -> String {
        String(String.UnicodeScalarView(reason.unicodeScalars.prefix(200).map { $0.value < 0x20 ? " " : $0 }))
    }
}

@LoopActor
final class RedisConnection {
    static let patience = Duration.seconds(5)

    private let stream: LoopStream
    private var tls: RedisTLS?
    private var parser = RESPParser()

    private init(_ stream: LoopStream) { self.stream = stream }

    static func open(_ address: RedisAddress) async throws -> RedisConnection {
        let stream = try await LoopStream.connect(to: address.stream, within: patience)
        let connection = RedisConnection(stream)
        if let host = address.tlsHost { connection.tls = try await RedisTLS(stream, host, within: patience) }
        if let password = address.password {
            try await connection.command(["AUTH"] + [address.user, password].compactMap(\.self))
        }
        if address.database != 0 { try await connection.command(["SELECT", String(address.database)]) }
        return connection
    }

    func close() { stream.close() }

    func write(_ bytes: [UInt8]) async throws {
        if let tls { return try await tls.write(bytes, within: Self.patience) }
        try await stream.write(bytes, within: Self.patience)
    }

    func send(_ words: [String]) async throws {
        var bytes: [UInt8] = []
        respCommand(words.map { Array($0.utf8) }, to: &bytes)
        try await write(bytes)
    }

    /// Returns the next reply or published message.
    /// - Throws: `LoopStreamError.timedOut` if nothing came in time; the connection can still be used.
    func reply(within limit: Duration = patience) async throws -> RESPValue {
        while true {
            if let reply = try parser.next() { return reply }
            let bytes =
                if let tls { try await tls.read(within: limit) } else {
                    try await stream.read(atMost: 65_536, within: limit)
                }
            guard !bytes.isEmpty else { throw RedisError.lost("it has closed the connection") }
            parser.append(bytes)
        }
    }

    @discardableResult
    func command(_ words: [String]) async throws -> RESPValue {
        try await send(words)
        let reply = try await reply()
        if case .error(let reason) = reply { throw RedisError.refused(reason) }
        return reply
    }
}

/// TLS over a stream, as a client that checks who answers.
@LoopActor
final class RedisTLS {
    private let stream: LoopStream
    private let context: OpaquePointer
    private let tls: OpaquePointer
    private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 16_384, alignment: 16)

    init(_ stream: LoopStream, _ host: String, within limit: Duration) async throws {
        guard let context = evg_tls_client_context_new() else { throw RedisError.lost(Self.lastError) }
        guard let tls = evg_tls_client_new(context, stream.fileDescriptor, host) else {
            evg_tls_context_free(context)
            throw RedisError.lost(Self.lastError)
        }
        self.stream = stream
        self.context = context
        self.tls = tls
        try await going(within: limit) { Int(evg_tls_handshake(tls)) }
    }

    isolated deinit {
        evg_tls_free(tls)
        evg_tls_context_free(context)
        buffer.deallocate()
    }

    func read(within limit: Duration) async throws -> [UInt8] {
        var count = 0
        try await going(within: limit) {
            var more = false
            count = evg_tls_read(tls, buffer.baseAddress, buffer.count, &more)
            return count
        }
        return Array(buffer.prefix(max(0, count)))
    }

    func write(_ bytes: [UInt8], within limit: Duration) async throws {
        var sent = 0
        while sent < bytes.count {
            try await going(within: limit) {
                let count = bytes.withUnsafeBytes {
                    evg_tls_write(tls, $0.baseAddress.map { $0 + sent }, $0.count - sent)
                }
                if count > 0 { sent += count }
                return count
            }
        }
    }

    /// Calls until the work is done, whichever direction it waits for.
    private func going(within limit: Duration, _ work: () -> Int) async throws {
        while true {
            switch work() {
            case Int(EVG_TLS_WANTS_READ): try await stream.isReady(.read, within: limit)
            case Int(EVG_TLS_WANTS_WRITE): try await stream.isReady(.write, within: limit)
            case Int(EVG_TLS_LOST): throw RedisError.lost("it has closed the connection")
            case Int(EVG_TLS_FAILED):
                let verdict = evg_tls_client_verdict(tls).map { String(cString: $0) }
                throw RedisError.lost(verdict.map { "its certificate is not trusted: \($0)" } ?? Self.lastError)
            default: return
            }
        }
    }

    private static var lastError: String {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: 256) { text in
            evg_tls_error(text.baseAddress, text.count)
            return "TLS: " + String(cString: Array(text.prefix { $0 != 0 }) + [0])
        }
    }
}

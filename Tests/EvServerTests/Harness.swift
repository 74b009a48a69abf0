// A worker on the loop of the test process, and clients on the other ends of socket pairs, without ports.

import EvBus
import EvGateway
import EvLoop
@testable import EvServer
import EvTestSupport
import Glibc
import HTTP1
import HTTPTypes
import Logging

/// A client's end: blocking calls with a time limit, so that a broken server fails a test and does not hang it.
final class Client: Sendable {
    let fileDescriptor: Int32
    init(_ fileDescriptor: Int32) {
        self.fileDescriptor = fileDescriptor
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(fileDescriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(fileDescriptor, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }
    deinit { Glibc.close(fileDescriptor) }

    func send(_ text: String) { send(Array(text.utf8)) }
    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes[sent...].withUnsafeBytes {
                Glibc.send(fileDescriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    func receive(_ limit: Int = 65_536) -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(fileDescriptor, &buffer, limit, 0)
        return Array(buffer.prefix(max(count, 0)))
    }

    /// Returns all bytes up to the server's close.
    func receiveToEnd() -> String {
        var all: [UInt8] = []
        while true {
            let bytes = receive()
            if bytes.isEmpty { return String(decoding: all, as: UTF8.self) }
            all += bytes
        }
    }

    /// Returns the bytes up to and including a text.
    func receive(until marker: String) -> String {
        var all: [UInt8] = []
        while !String(decoding: all, as: UTF8.self).contains(marker) {
            let bytes = receive()
            if bytes.isEmpty { break }
            all += bytes
        }
        return String(decoding: all, as: UTF8.self)
    }

    /// Resets the connection, so that the server sees an error and not an orderly end.
    func reset() { shutdown(fileDescriptor, Int32(SHUT_RDWR)) }

    func shutdownWriting() { shutdown(fileDescriptor, Int32(SHUT_WR)) }
}

/// A worker under test.
final class TestServer: Sendable {
    let finished = Signal()
    private let listener: ListeningSocket
    @LoopActor private(set) var worker: Worker!
    /// Keeps servers alive: connections may exist longer than a test's own reference to its server.
    @LoopActor private static var workers: [Worker] = []

    convenience init(_ handler: @escaping RequestHandler) async throws {
        try await self.init({ _ in }, handler)
    }

    convenience init(
        _ configure: (inout ServerConfiguration) -> Void, _ handler: @escaping RequestHandler
    ) async throws {
        try await self.init(configure, application: SwiftApplication(handler))
    }

    /// - Parameters:
    ///   - accessLog: a path and a format.
    ///   - listeners: accepted from, and closed when the worker leaves.
    ///   - seat: of a worker with siblings, and the slots of all of them, by their places.
    init(
        _ configure: (inout ServerConfiguration) -> Void, application: any Application,
        accessLog: (path: String, format: String)? = nil, listeners: [ListeningSocket] = [], seat: BusSeat? = nil,
        slots: [ScoreboardSlot] = []
    ) async throws {
        SharedLoop.ensure()
        var configuration = ServerConfiguration()
        configuration.drainIdleGrace = 0.05
        configure(&configuration)
        listener =
            listeners.first
            ?? ListeningSocket(
                fileDescriptor: -1, address: .abstract(name: "test"), localAddress: "", port: 0, isUnix: true)
        try await make(configuration, application, accessLog, listeners, seat, slots)
    }

    @LoopActor private func make(
        _ configuration: ServerConfiguration, _ application: any Application, _ log: (path: String, format: String)?,
        _ listeners: [ListeningSocket], _ seat: BusSeat?, _ slots: [ScoreboardSlot]
    ) throws {
        var logger = Logger(label: "test")
        logger.logLevel = .critical
        worker = Worker(
            loop: try SharedLoop.current, configuration: configuration, listeners: listeners,
            application: application, slot: seat.map { slots[$0.place] } ?? .local(),
            siblings: seat.map { seat in slots.indices.filter { $0 != seat.place }.map { slots[$0] } } ?? [],
            accessLog: try log.map { log in
                AccessLog(
                    .init(format: try AccessLogFormat(parsing: log.format)),
                    sinks: [LogFileSink(try LogFile(path: log.path, standard: STDOUT_FILENO))])
            }, bus: Bus(try SharedLoop.current, seat: seat), logger: logger)
        worker.onFinished = { [finished] in finished.signal() }
        worker.start()
        Self.workers.append(worker)
    }

    /// Makes a connection. `text` has already arrived when the server gets it.
    /// - Parameter stage: makes the connection's first stage.
    func connect(
        sending text: String = "", _ stage: @escaping Worker.Stage = { HTTP1Connection($0, $1, $2, $3) }
    ) async -> Client {
        await connect(sending: Array(text.utf8), stage)
    }

    func connect(
        sending bytes: [UInt8], _ stage: @escaping Worker.Stage = { HTTP1Connection($0, $1, $2, $3) }
    ) async -> Client {
        var ends: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        let server = ends[1]
        _ = Socket.setNonBlocking(server)
        let client = Client(ends[0])
        client.send(bytes)
        await adopt(server, stage)
        return client
    }

    @LoopActor private func adopt(_ fileDescriptor: Int32, _ stage: @escaping Worker.Stage) {
        worker.adopt(fileDescriptor, listener: listener, stage: stage)
    }
    @LoopActor func drain(timeout: Double = 10, takesQueue: Bool = true) {
        worker.drain(timeout: timeout, takesQueue: takesQueue, to: takesQueue ? nil : .all)
    }
    @LoopActor func quit() { worker.quit() }
    @LoopActor var dropped: Int { worker.dropped }
    @LoopActor var openConnections: Int { worker.openConnections }
}

let getHello = "GET /hello HTTP/1.1\r\nHost: test\r\n\r\n"

/// The shared test app. A path's name says what it does.
let testApp: RequestHandler = { request in
    switch request.path {
    case "/echo":
        return Response(body: .bytes(try await request.body.collect(upTo: 1 << 20)))
    case "/target":
        return Response(request.target)
    case "/large":
        return Response(body: .bytes([UInt8](repeating: 120, count: 8 << 20)))
    case "/stream":
        return Response { writer in
            for part in ["one", "two", "three"] { try await writer.write(part) }
        }
    case "/trailers":
        return Response { writer in
            try await writer.write("one")
            try await writer.finish(trailers: [HTTPField.Name("X-Sum") ?? .eTag: "1"])
        }
    case "/broken-stream":
        return Response { writer in
            try await writer.write("begun")
            throw CancellationError()
        }
    case "/throw":
        throw SystemError("app", errno: EIO)
    default:
        return Response("Hello, World!")
    }
}

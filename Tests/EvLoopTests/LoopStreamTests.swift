import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite(.prefersLoop) struct LoopStreamTests {
    /// A listening socket and the streams that connect to it. The test reads and writes the other ends itself.
    @LoopActor private final class Peer {
        let listener: ListeningSocket
        private var accepted: [Int32] = []

        init(_ address: BindAddress = .tcp(host: "127.0.0.1", port: 0), backlog: Int32 = 16) throws {
            listener = try ListeningSocket.open(address, backlog: backlog)
        }

        isolated deinit {
            accepted.forEach(Socket.close)
            listener.removeFile()
            listener.close()
        }

        var address: LoopStream.Address {
            listener.isUnix
                ? .unix(path: listener.localAddress) : .tcp(host: listener.localAddress, port: listener.port)
        }

        func connected() async throws -> (LoopStream, Int32) {
            let stream = try await LoopStream.connect(to: address)
            var name = PeerAddress()
            let number = Socket.accept(listener.fileDescriptor, peer: &name)
            try #require(number >= 0)
            accepted.append(number)
            return (stream, number)
        }

        func read(_ number: Int32, atMost count: Int = 65_536) -> [UInt8]? {
            var bytes = [UInt8](repeating: 0, count: count)
            let result = bytes.withUnsafeMutableBytes { Socket.read(number, into: $0) }
            return result < 0 ? nil : Array(bytes.prefix(result))
        }

        /// Reads as soon as there is something, or the end: on a busy machine that may take a moment.
        func readSoon(_ number: Int32) async throws -> [UInt8]? {
            for _ in 0..<2000 {
                if let bytes = read(number) { return bytes }
                try await Task.sleep(for: .milliseconds(10))
            }
            return nil
        }

        func send(_ number: Int32, _ text: String) {
            #expect(Array(text.utf8).withUnsafeBytes { Socket.send(number, $0) } == text.utf8.count)
        }
    }

    @LoopActor
    @Test(arguments: [
        BindAddress.tcp(host: "127.0.0.1", port: 0), .unix(path: "/tmp/evg-test-\(getpid())-stream"),
    ])
    func bytesGoBothWays(_ address: BindAddress) async throws {
        let peer = try Peer(address)
        let (stream, number) = try await peer.connected()
        try await stream.write(Array("ping".utf8))
        #expect(try await peer.readSoon(number) == Array("ping".utf8))
        peer.send(number, "pong")
        #expect(try await stream.read(atMost: 3) == Array("pon".utf8))
        #expect(try await stream.read(atMost: 3) == Array("g".utf8))
        Socket.shutdownWriting(number)
        #expect(try await stream.read(atMost: 3) == [])
    }

    /// Starts a read in a task. The read has begun when this returns.
    @LoopActor private final class Reader {
        private let stream: LoopStream
        private var hasBegun = false

        init(_ stream: LoopStream) { self.stream = stream }

        func start() async -> Task<[UInt8], any Error> {
            let task = Task(executorPreference: LoopActor.taskExecutor) { try await self.read() }
            while !hasBegun { await Task.yield() }
            return task
        }

        private func read() async throws -> [UInt8] {
            hasBegun = true
            return try await stream.read(atMost: 100, within: .seconds(10))
        }
    }

    @LoopActor @Test func readWaitsForBytes() async throws {
        let peer = try Peer()
        let (stream, number) = try await peer.connected()
        let reader = await Reader(stream).start()
        await #expect(throws: LoopStreamError.busy) { try await stream.read(atMost: 1) }
        peer.send(number, "late")
        #expect(try await reader.value == Array("late".utf8))
    }

    @LoopActor @Test func readThatTookNothingMayBeRepeated() async throws {
        let peer = try Peer()
        let (stream, number) = try await peer.connected()
        await #expect(throws: LoopStreamError.timedOut) { try await stream.read(atMost: 1, within: .milliseconds(1)) }
        let cancelled = Task(executorPreference: LoopActor.taskExecutor) { try await stream.read(atMost: 1) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        peer.send(number, "x")
        #expect(try await stream.read(atMost: 1) == Array("x".utf8))
    }

    @LoopActor @Test func writeWaitsForTheReader() async throws {
        let peer = try Peer()
        let (stream, number) = try await peer.connected()
        let bytes = (0..<100).flatMap { [UInt8](repeating: $0, count: 65_536) }
        let writer = Task(executorPreference: LoopActor.taskExecutor) { try await stream.write(bytes) }
        var received: [UInt8] = []
        while received.count < bytes.count {
            if let some = peer.read(number) {
                try #require(!some.isEmpty)
                received += some
            } else {
                await Task.yield()
            }
        }
        try await writer.value
        #expect(received.count == bytes.count && memcmp(received, bytes, bytes.count) == 0)
    }

    @LoopActor @Test func writeThatIsGivenUpClosesTheStream() async throws {
        let peer = try Peer()
        let bytes = [UInt8](repeating: 0, count: 32 << 20)
        let (slow, _) = try await peer.connected()
        await #expect(throws: LoopStreamError.timedOut) { try await slow.write(bytes, within: .milliseconds(1)) }
        await #expect(throws: LoopStreamError.closed) { try await slow.write([1], within: .zero) }
        let (stream, _) = try await peer.connected()
        let cancelled = Task(executorPreference: LoopActor.taskExecutor) { try await stream.write(bytes) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        await #expect(throws: LoopStreamError.closed) { try await stream.read(atMost: 1, within: .zero) }
    }

    @LoopActor @Test func closeEndsWhoReads() async throws {
        let peer = try Peer()
        let (stream, number) = try await peer.connected()
        let reader = await Reader(stream).start()
        stream.close()
        await #expect(throws: LoopStreamError.closed) { try await reader.value }
        #expect(try await peer.readSoon(number) == [])
    }

    @LoopActor @Test func releasedStreamCloses() async throws {
        let peer = try Peer()
        var (stream, number): (LoopStream?, Int32) = try await peer.connected()
        #expect(peer.read(number) == nil)
        stream = nil
        #expect(try await peer.readSoon(number) == [])
        #expect(stream == nil)
    }

    @LoopActor @Test func nameIsLookedUp() async throws {
        let peer = try Peer()
        let stream = try await LoopStream.connect(
            to: .tcp(host: "localhost", port: peer.listener.port), within: .seconds(20))
        try await stream.write([1])
    }

    @LoopActor @Test func connectTellsWhyItFailed() async throws {
        let port: UInt16
        do { port = try Peer().listener.port }
        for address: LoopStream.Address in [
            .tcp(host: "127.0.0.1", port: port), .unix(path: "no-such.sock"), .unix(path: ""),
            .unix(path: String(repeating: "x", count: 108)), .unix(path: "a\0b"), .tcp(host: "", port: 1),
        ] {
            let error = await #expect(throws: LoopStreamError.self) { try await LoopStream.connect(to: address) }
            guard case .failed(let reason) = error else {
                Issue.record("\(address): \(String(describing: error))")
                continue
            }
            #expect(!reason.isEmpty)
        }
    }

    /// Once a queue of length 0 is full, the kernel leaves further connections without an answer.
    @LoopActor @Test func connectIsGivenUp() async throws {
        let peer = try Peer(backlog: 0)
        let address = peer.address
        var held: [LoopStream] = []
        await #expect(throws: LoopStreamError.timedOut) {
            while held.count < 10 {
                held.append(try await LoopStream.connect(to: address, within: .milliseconds(50)))
            }
        }
        let cancelled = Task(executorPreference: LoopActor.taskExecutor) { try await LoopStream.connect(to: address) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
    }
}

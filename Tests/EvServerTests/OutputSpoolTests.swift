import EvLoop
import EvTestSupport
import Glibc
import Testing

@testable import EvServer

/// What a client has not read yet, beyond the memory of its connection.
@Suite struct OutputSpoolTests {
    private static func spool(limit: Int) throws -> (spool: OutputSpool, file: Int32) {
        let file = try TemporaryFile.open(in: "/tmp")
        return (OutputSpool(file: file, limit: limit), file)
    }

    /// Bytes that tell their place.
    private static func pattern(_ count: Int, from start: Int = 0) -> [UInt8] {
        (start..<start + count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }
    }

    private static func occupied(_ file: Int32) -> Int {
        var status = stat()
        return fstat(file, &status) == 0 ? Int(status.st_blocks) * 512 : -1
    }

    private static var nothing: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

    /// A queue whose socket is full and that has begun a spool; the peer reads what the test reads.
    private struct Slow {
        var queue = OutputQueue()
        let transport: Transport
        let peer: Int32
        var expected: [UInt8]

        init() throws {
            var ends: [Int32] = [0, 0]
            try #require(socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends) == 0)
            #expect(Socket.setNonBlocking(ends[0]) && Socket.setNonBlocking(ends[1]))
            transport = .plain(ends[0])
            peer = ends[1]
            expected = OutputSpoolTests.pattern(1 << 20)
            let result = expected.withUnsafeBytes { queue.send($0, OutputSpoolTests.nothing, to: transport) }
            #expect(result == .waiting && queue.isFull(above: 65_536))
        }

        mutating func append(_ count: Int) {
            let bytes = OutputSpoolTests.pattern(count, from: expected.count)
            bytes.withUnsafeBytes { queue.append($0) }
            expected += bytes
        }

        /// Reads and flushes in turn until `done` is true.
        mutating func read(into received: inout [UInt8], until done: (OutputQueue) -> Bool) {
            var buffer = [UInt8](repeating: 0, count: 100_000)
            while !done(queue) {
                while case let count = buffer.withUnsafeMutableBytes({ Socket.read(peer, into: $0) }), count > 0 {
                    received += buffer[..<count]
                }
                if queue.flush(to: transport) == .failed { return }
            }
        }

        mutating func readAll() -> [UInt8] {
            var received: [UInt8] = []
            read(into: &received) { $0.isEmpty }
            var buffer = [UInt8](repeating: 0, count: 100_000)
            while case let count = buffer.withUnsafeMutableBytes({ Socket.read(peer, into: $0) }), count > 0 {
                received += buffer[..<count]
            }
            return received
        }

        func close() {
            transport.close(reset: false)
            Socket.close(peer)
        }
    }

    @Test func bytesLeaveInTheirOrder() throws {
        var slow = try Slow()
        slow.queue.begin(try Self.spool(limit: 1 << 30).spool)
        for count in [1, 70_000, 65_536, 3, 500_000] { slow.append(count) }
        #expect(!slow.queue.isFull(above: 65_536) && slow.queue.count > 600_000)
        #expect(slow.readAll() == slow.expected)
        #expect(slow.queue.isEmpty && slow.queue.spool == nil && !slow.queue.isWaiting)
        slow.close()
    }

    @Test func spaceIsGivenBackAsBytesAreSent() throws {
        var slow = try Slow()
        let (spool, file) = try Self.spool(limit: 4 << 20)
        slow.queue.begin(spool)
        slow.append(3 << 20)
        #expect(Self.occupied(file) >= 3 << 20 && !spool.isFull)
        slow.append(1 << 20)
        #expect(spool.isFull && !spool.isDrained(below: 1))
        var received: [UInt8] = []
        slow.read(into: &received) { ($0.spool?.count ?? 0) <= 1 << 20 }
        // Given back in pieces of a quarter of the limit, at most 1 MiB.
        #expect(Self.occupied(file) <= 2 << 20)
        #expect(spool.isDrained(below: 1))
        #expect(received + slow.readAll() == slow.expected)
        slow.close()
    }

    @Test func fileThatTakesNoMoreLosesNothing() throws {
        var slow = try Slow()
        let readOnly = open("/dev/null", O_RDONLY)
        let spool = OutputSpool(file: readOnly, limit: 1 << 30)
        slow.queue.begin(spool)
        slow.append(100_000)
        #expect(spool.failure?.errno == EBADF && spool.isFull && spool.count == 100_000)
        #expect(!slow.queue.isDrained(below: 32_768))
        slow.append(10)
        #expect(slow.readAll() == slow.expected)
        slow.close()
    }
}

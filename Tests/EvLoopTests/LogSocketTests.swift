@testable import EvLoop
import Glibc
import Testing

/// Collectors of logs that are slow, restarted, or not there: nothing waits for them.
@Suite final class LogSocketTests {
    private let path: String

    init() throws {
        var template = Array("/tmp/evgateway-socket-XXXXXX".utf8CString)
        path = String(cString: try #require(mkdtemp(&template))) + "/s"
    }

    deinit {
        unlink(path)
        rmdir(String(path.dropLast(2)))
    }

    private func collector(_ type: __socket_type) throws -> Int32 {
        unlink(path)
        let made = socket(AF_UNIX, Int32(type.rawValue), 0)
        let name = try #require(SocketAddress(path: path))
        try #require(name.withBytes { bind(made, $0, $1) } == 0)
        if type == SOCK_STREAM { try #require(listen(made, 8) == 0) }
        return made
    }

    private func send(_ text: String, _ socket: LogSocket) { Array(text.utf8).withUnsafeBytes { socket.send($0) } }

    /// The datagrams, or pieces of a stream, that are there now.
    private func received(_ descriptor: Int32) -> [String] {
        var all: [String] = []
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while true {
            let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
            guard count > 0 else { return all }
            all.append(String(decoding: buffer[..<count], as: UTF8.self))
        }
    }

    @Test func burstWaitsForACollectorWhoseQueueIsShort() throws {
        let there = try collector(SOCK_DGRAM)
        let socket = LogSocket(try LogDestination(.unix(path: path, .datagram)))
        for number in 0..<2000 { send("\(number)\n", socket) }
        var all = received(there)
        while !socket.retry() { all += received(there) }
        all += received(there)
        let expected = (0..<2000).map { "\($0)" }
        #expect(all == expected && socket.lost.count == 0)
        close(there)
    }

    @Test func collectorThatIsMadeAnewIsFound() throws {
        let first = try collector(SOCK_DGRAM)
        let socket = LogSocket(try LogDestination(.unix(path: path, .either)))
        send("one\n", socket)
        #expect(received(first) == ["one"])
        close(first)
        let second = try collector(SOCK_DGRAM)
        send("two\n", socket)
        #expect(received(second) == ["two"] && socket.lost.count == 0)
        close(second)
        unlink(path)
        send("nobody\n", socket)
        #expect(socket.takeLost().count == 1)
    }

    @Test func streamIsFoundAndFollowed() throws {
        let there = try collector(SOCK_STREAM)
        let socket = LogSocket(try LogDestination(.unix(path: path, .either)))
        send("one\n", socket)
        send("two\n", socket)
        let first = accept(there, nil, nil)
        #expect(received(first).joined() == "one\ntwo\n")
        close(first)
        send("three\n", socket)
        let second = accept(there, nil, nil)
        #expect(received(second) == ["three\n"] && socket.lost.count == 0)
        close(second)
        close(there)
    }

    @Test func stuckStreamLosesWholeLinesWhichAreCounted() throws {
        let there = try collector(SOCK_STREAM)
        let socket = LogSocket(try LogDestination(.unix(path: path, .stream)))
        let line = String(repeating: "x", count: 999) + "\n"
        for _ in 0..<4000 { send(line, socket) }
        let peer = accept(there, nil, nil)
        var text = received(peer).joined()
        while !socket.retry() { text += received(peer).joined() }
        text += received(peer).joined()
        let lost = socket.takeLost()
        #expect(lost.count > 0 && lost.reason == EAGAIN)
        let count = text.split(separator: "\n").count
        #expect(count + lost.count == 4000 && text.utf8.count == count * 1000)
        close(peer)
        close(there)
    }

    @Test func datagramsToAPortThatIsClosedAreLost() throws {
        // Bound, and closed again.
        let probe = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        withUnsafeMutablePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                _ = bind(probe, $0, size)
                _ = getsockname(probe, $0, &size)
            }
        }
        close(probe)
        let socket = LogSocket(try LogDestination(.udp(host: "127.0.0.1", port: UInt16(bigEndian: name.sin_port))))
        for _ in 0..<3 { send("x\n", socket) }
        #expect(socket.lost.count > 0 && socket.lost.reason == ECONNREFUSED)
    }

    @Test func hostThatIsNotThereIsTold() {
        #expect(throws: LogAddressError.self) { try LogDestination(.udp(host: "no.such.host.invalid", port: 1)) }
    }
}

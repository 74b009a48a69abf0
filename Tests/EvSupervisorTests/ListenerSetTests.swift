import EvLoop
import EvSupervisor
import Glibc
import Testing

@Suite struct ListenerSetTests {
    private let anyPort = BindAddress.tcp(host: "127.0.0.1", port: 0)

    @Test func sharesOneSocketPerAddressAmongWorkers() throws {
        let directory = try TemporaryDirectory()
        var set = try ListenerSet(
            [anyPort, .unix(path: "\(directory.path)/s")], backlog: 16, reusePort: false)
        let first = try set.sockets(forWorker: 0).map(\.fileDescriptor)
        #expect(first.count == 2)
        #expect(try set.sockets(forWorker: 1).map(\.fileDescriptor) == first)
        set.removeFiles()
        set.close()
        #expect(directory.files == [])
    }

    @Test func keepsOneSocketPerWorkerWithReusePort() throws {
        let directory = try TemporaryDirectory()
        var set = try ListenerSet(
            [anyPort, .unix(path: "\(directory.path)/s")], backlog: 16, reusePort: true)
        let first = try set.sockets(forWorker: 0)
        let second = try set.sockets(forWorker: 1)
        #expect(first.map(\.port) == second.map(\.port))
        #expect(first.filter(\.isUnix).map(\.fileDescriptor) == second.filter(\.isUnix).map(\.fileDescriptor))
        #expect(Set((first + second).map(\.fileDescriptor)).count == 3)
        #expect(try set.sockets(forWorker: 1).map(\.fileDescriptor) == second.map(\.fileDescriptor))
        #expect(set.addresses.count == 2)
        set.removeFiles()
        set.close()
    }

    @Test func closesTheSocketsOfAnIndexThatIsGone() throws {
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: true)
        let port = try #require(set.addresses.first?.port)
        let descriptor = try #require(try set.sockets(forWorker: 1).first?.fileDescriptor)
        #expect(boundPort(descriptor) == port)
        set.close(index: 1)
        // Another test may have got the descriptor's number meanwhile, but not the port.
        #expect(boundPort(descriptor) != port)
        set.close()
    }

    @Test func opensNothingWhenOneAddressIsRefused() throws {
        let directory = try TemporaryDirectory()
        directory.write("taken", "")
        #expect(throws: BindAddressError.self) {
            try ListenerSet(
                [.unix(path: "\(directory.path)/s"), .unix(path: "\(directory.path)/taken")], backlog: 16,
                reusePort: false)
        }
        #expect(directory.files == ["taken"])
    }
}

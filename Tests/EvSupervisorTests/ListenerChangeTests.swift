import EvLoop
import EvSupervisor
import Glibc
import Testing

@Suite struct ListenerChangeTests {
    private let anyPort = BindAddress.tcp(host: "127.0.0.1", port: 0)
    private let other = BindAddress.tcp(host: "127.0.0.2", port: 0)

    @Test func keepsTheSocketsOfAddressesThatStay() throws {
        var set = try ListenerSet([anyPort, other], backlog: 16, reusePort: false)
        let before = try set.sockets(forWorker: 0).map(\.fileDescriptor)
        #expect(try set.change(to: [other, anyPort], backlog: 16, nextAge: 3).isEmpty)
        #expect(try set.sockets(forWorker: 0).map(\.fileDescriptor) == before.reversed())
        #expect(!set.hasFormer(forAge: 1))
        set.close()
    }

    @Test func opensWhatIsNewAndTellsIt() throws {
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: false)
        let before = try set.sockets(forWorker: 0).map(\.fileDescriptor)
        // The same address twice is two sockets when the kernel chooses the port.
        let opened = try set.change(to: [anyPort, anyPort], backlog: 16, nextAge: 3)
        #expect(opened.count == 1)
        #expect(try set.sockets(forWorker: 0).map(\.fileDescriptor) == before + opened.map(\.fileDescriptor))
        set.close()
    }

    @Test func changesNothingWhenANewAddressIsRefused() throws {
        let directory = try TemporaryDirectory()
        directory.write("taken", "")
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: false)
        let before = try set.sockets(forWorker: 0).map(\.fileDescriptor)
        #expect {
            try set.change(
                to: [.unix(path: "\(directory.path)/s"), .unix(path: "\(directory.path)/taken")], backlog: 99,
                nextAge: 3)
        } throws: { error in
            "\(error)".contains("\(directory.path)/taken")
        }
        #expect(directory.files == ["taken"])
        #expect(try set.sockets(forWorker: 0).map(\.fileDescriptor) == before)
        #expect(before.map(backlog(of:)) == [16])
        #expect(!set.hasFormer(forAge: 1))
        set.close()
    }

    @Test func closesAFormerAddressWhenNoOldWorkerAccepts() throws {
        let directory = try TemporaryDirectory()
        let path = "\(directory.path)/s"
        var set = try ListenerSet([anyPort, .unix(path: path)], backlog: 16, reusePort: false)
        let socket = try #require(set.addresses.first)
        _ = try set.change(to: [other], backlog: 16, nextAge: 3)
        #expect(try set.sockets(forWorker: 0).map(\.localAddress) == ["127.0.0.2"])
        #expect(set.hasFormer(forAge: 2) && !set.hasFormer(forAge: 3))
        #expect(set.closeFormer { ages, _ in ages.contains(2) }.isEmpty)
        #expect(boundPort(socket.fileDescriptor) == socket.port)
        #expect(directory.files == ["s"])
        #expect(set.closeFormer { ages, _ in ages.contains(3) }.map(\.localAddress).sorted() == [path, "127.0.0.1"])
        #expect(boundPort(socket.fileDescriptor) != socket.port)
        #expect(directory.files == [])
        #expect(set.closeFormer { _, _ in false }.isEmpty)
        set.close()
    }

    @Test func givesAnAddressThatComesBackItsSocketAgain() throws {
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: false)
        let before = try set.sockets(forWorker: 0).map(\.fileDescriptor)
        _ = try set.change(to: [other], backlog: 16, nextAge: 3)
        #expect(try set.change(to: [anyPort], backlog: 16, nextAge: 5).isEmpty)
        #expect(try set.sockets(forWorker: 0).map(\.fileDescriptor) == before)
        #expect(set.closeFormer { _, _ in false }.map(\.localAddress) == ["127.0.0.2"])
        #expect(before.map(boundPort) == set.addresses.map(\.port))
        set.close()
    }

    @Test func closesAFormerSocketOfAnIndexWhenItsWorkerLeaves() throws {
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: true)
        let first = try #require(try set.sockets(forWorker: 0).first)
        let second = try #require(try set.sockets(forWorker: 1).first)
        _ = try set.change(to: [other], backlog: 16, nextAge: 3)
        #expect(set.closeFormer { _, index in index == 1 }.isEmpty)
        #expect(boundPort(first.fileDescriptor) != first.port)
        #expect(boundPort(second.fileDescriptor) == second.port)
        // It comes back: the sockets that are missing are opened like the one that is left.
        _ = try set.change(to: [anyPort], backlog: 16, nextAge: 4)
        #expect(try set.sockets(forWorker: 1).map(\.fileDescriptor) == [second.fileDescriptor])
        #expect(try set.sockets(forWorker: 0).map(\.port) == [second.port])
        set.close()
    }

    @Test func leavesANewWorkerNoFormerSocket() throws {
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: false)
        let socket = try #require(set.addresses.first)
        _ = try set.change(to: [other], backlog: 16, nextAge: 3)
        set.keepOnly(index: 0)
        #expect(boundPort(socket.fileDescriptor) != socket.port)
        #expect(try set.sockets(forWorker: 0).count == 1)
        set.close()
    }

    @Test func socketFilesHaveTheirMode() throws {
        let directory = try TemporaryDirectory()
        let (one, two) = ("\(directory.path)/one", "\(directory.path)/two")
        var set = try ListenerSet([.unix(path: one)], backlog: 16, reusePort: false, options: files(0o620))
        #expect(mode(of: one) == 0o620)
        _ = try set.change(to: [.unix(path: one), .unix(path: two)], backlog: 16, options: files(0o606), nextAge: 3)
        #expect(mode(of: one) == 0o606 && mode(of: two) == 0o606)
        _ = try set.change(to: [.unix(path: one)], backlog: 16, options: files(nil), nextAge: 4)
        #expect(mode(of: one) == 0o606)
        set.close()
    }

    private func files(_ mode: Int?) -> ListeningOptions {
        var options = ListeningOptions()
        options.fileMode = mode
        return options
    }

    private func mode(of path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test func changesTheBacklogOfSocketsThatStay() throws {
        var set = try ListenerSet([anyPort], backlog: 16, reusePort: true)
        _ = try set.sockets(forWorker: 1)
        _ = try set.change(to: [anyPort], backlog: 32, nextAge: 3)
        let all = try (0..<3).flatMap { try set.sockets(forWorker: $0) }
        #expect(all.map { backlog(of: $0.fileDescriptor) } == [32, 32, 32])
        set.close()
    }
}

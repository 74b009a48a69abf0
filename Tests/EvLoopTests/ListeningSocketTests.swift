import EvLoop
import Glibc
import Testing

@Suite struct ListeningSocketTests {
    @Test func tellsThePortThatTheKernelChose() throws {
        let socket = try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0), backlog: 16)
        defer { socket.close() }
        #expect(socket.port != 0 && !socket.isUnix)
        #expect(socket.localAddress == "127.0.0.1")
        #expect(socket.description == "http://127.0.0.1:\(socket.port)")
        #expect(connects(toPort: socket.port))
        #expect(fcntl(socket.fileDescriptor, F_GETFD) & FD_CLOEXEC != 0)
        #expect(fcntl(socket.fileDescriptor, F_GETFL) & O_NONBLOCK != 0)
    }

    @Test func resolvesAHostName() throws {
        let socket = try ListeningSocket.open(.tcp(host: "localhost", port: 0), backlog: 16)
        defer { socket.close() }
        #expect(["127.0.0.1", "::1"].contains(socket.localAddress))
    }

    @Test func refusesAPortInUse() throws {
        let socket = try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0), backlog: 16)
        defer { socket.close() }
        let address = BindAddress.tcp(host: "127.0.0.1", port: socket.port)
        let expected = BindAddressError("http://127.0.0.1:\(socket.port)", "Address already in use")
        #expect(throws: expected) { try ListeningSocket.open(address, backlog: 16) }
    }

    @Test func bindsAPortAgainRightAfterConnectionsWereClosed() throws {
        let socket = try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0), backlog: 16)
        let client = connected(toPort: socket.port)
        var peer = PeerAddress()
        let accepted = Socket.accept(socket.fileDescriptor, peer: &peer)
        // This side closes first, so that it has the socket in TIME-WAIT.
        close(accepted)
        close(client)
        socket.close()
        let again = try ListeningSocket.open(.tcp(host: "127.0.0.1", port: socket.port), backlog: 16)
        again.close()
    }

    @Test func keepsIPv6ApartFromIPv4() throws {
        let socket: ListeningSocket
        do {
            socket = try ListeningSocket.open(.tcp(host: "::1", port: 0), backlog: 16)
        } catch {
            // A machine without IPv6 refuses the family or the address. Any other error fails the test.
            #expect(error.reason.contains("Address family not supported") || error.reason.contains("Cannot assign"))
            return
        }
        defer { socket.close() }
        #expect(socket.description == "http://[::1]:\(socket.port)")
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        #expect(getsockopt(socket.fileDescriptor, Int32(IPPROTO_IPV6), IPV6_V6ONLY, &value, &size) == 0 && value == 1)
    }

    @Test func opensSiblingsOnOnePort() throws {
        let socket = try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0), backlog: 16, reusePort: true)
        defer { socket.close() }
        let sibling = try socket.openSibling(backlog: 16)
        defer { sibling.close() }
        #expect(sibling.port == socket.port && sibling.fileDescriptor != socket.fileDescriptor)
        #expect(sibling.address == socket.address)
    }

    @Test func makesAndRemovesASocketFile() throws {
        let path = temporaryPath()
        let socket = try ListeningSocket.open(.unix(path: path), backlog: 16)
        #expect(socket.isUnix && socket.port == 0 && socket.description == "unix:\(path)")
        #expect(exists(path))
        socket.close()
        socket.removeFile()
        #expect(!exists(path))
    }

    @Test func replacesASocketFileThatNobodyAnswersOn() throws {
        let path = temporaryPath()
        try ListeningSocket.open(.unix(path: path), backlog: 16).close()
        #expect(exists(path))
        let socket = try ListeningSocket.open(.unix(path: path), backlog: 16)
        socket.close()
        socket.removeFile()
        #expect(!exists(path))
    }

    @Test func refusesTheSocketFileOfALivingServer() throws {
        let path = temporaryPath()
        let socket = try ListeningSocket.open(.unix(path: path), backlog: 16)
        defer { socket.close(); socket.removeFile() }
        let expected = BindAddressError("unix:\(path)", "a server is listening there already")
        #expect(throws: expected) { try ListeningSocket.open(.unix(path: path), backlog: 16) }
        #expect(exists(path))
    }

    @Test func takesAServerWithAFullQueueForALivingOne() throws {
        let path = temporaryPath()
        let socket = try ListeningSocket.open(.unix(path: path), backlog: 0)
        defer { socket.close(); socket.removeFile() }
        let expected = BindAddressError("unix:\(path)", "a server is listening there already")
        for _ in 0..<3 {
            #expect(throws: expected) { try ListeningSocket.open(.unix(path: path), backlog: 16) }
        }
    }

    @Test func leavesAFileThatIsNoSocket() throws {
        let path = temporaryPath()
        close(open(path, O_CREAT | O_WRONLY, 0o600))
        defer { unlink(path) }
        let expected = BindAddressError("unix:\(path)", "a file that is not a socket is there")
        #expect(throws: expected) { try ListeningSocket.open(.unix(path: path), backlog: 16) }
        #expect(exists(path))
    }

    @Test func leavesAFileThatHasTakenThePlaceOfItsOwn() throws {
        let path = temporaryPath()
        let first = try ListeningSocket.open(.unix(path: path), backlog: 16)
        // The file is moved and not removed, so that no new file can get its inode.
        rename(path, path + ".old")
        let second = try ListeningSocket.open(.unix(path: path), backlog: 16)
        first.removeFile()
        #expect(exists(path))
        second.removeFile()
        #expect(!exists(path))
        unlink(path + ".old")
        first.close()
        second.close()
    }

    @Test func saysWhyAPathCannotBeUsed() {
        let expected = BindAddressError("unix:/nonexistent/s", "No such file or directory")
        #expect(throws: expected) { try ListeningSocket.open(.unix(path: "/nonexistent/s"), backlog: 16) }
    }

    @Test func listensOnAnAbstractName() throws {
        let name = "evg-test-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let socket = try ListeningSocket.open(.abstract(name: name), backlog: 16)
        #expect(socket.description == "unix:@\(name)" && socket.isUnix)
        #expect(throws: BindAddressError.self) { try ListeningSocket.open(.abstract(name: name), backlog: 16) }
        socket.close()
        try ListeningSocket.open(.abstract(name: name), backlog: 16).close()
    }

    @Test func adoptsAnInheritedSocketAndLeavesItOpen() throws {
        let given = try ListeningSocket.open(.tcp(host: "127.0.0.1", port: 0), backlog: 16)
        defer { given.close() }
        let adopted = try ListeningSocket.open(.inherited(fileDescriptor: given.fileDescriptor), backlog: 16)
        #expect(adopted.port == given.port && adopted.description == given.description)
        adopted.close()
        #expect(connects(toPort: given.port))
    }

    @Test func refusesInheritedDescriptorsThatDoNotListen() throws {
        func reason(_ descriptor: Int32) -> String? {
            do throws(BindAddressError) {
                _ = try ListeningSocket.open(.inherited(fileDescriptor: descriptor), backlog: 16)
                return nil
            } catch {
                return error.reason
            }
        }
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        let datagram = socket(AF_INET, Int32(SOCK_DGRAM.rawValue), 0)
        let idle = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        defer { for descriptor in ends + [datagram, idle] { close(descriptor) } }
        #expect(reason(ends[0]) == "the descriptor is not a socket")
        #expect(reason(datagram) == "it is not a stream socket")
        #expect(reason(idle) == "the socket is not listening")
        #expect(reason(1_000_000) == "the descriptor is not open")
    }

    // MARK: helpers

    private func temporaryPath() -> String { "/tmp/evg-test-\(getpid())-\(UInt64.random(in: 0 ... .max))" }

    private func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    private func connects(toPort port: UInt16) -> Bool {
        let descriptor = connected(toPort: port)
        close(descriptor)
        return descriptor >= 0
    }

    private func connected(toPort port: UInt16) -> Int32 {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = port.bigEndian
        name.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        let code = withUnsafePointer(to: &name) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard code == 0 else {
            close(descriptor)
            return -1
        }
        return descriptor
    }
}

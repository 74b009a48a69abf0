// How each kind of address becomes a listening socket.
import Glibc

/// Closes its descriptor unless it is released, so that no error path leaks one.
private struct Descriptor: ~Copyable {
    let number: Int32

    init(family: Int32, for address: BindAddress) throws(BindAddressError) {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        number = socket(family, type, 0)
        guard number >= 0 else { throw address.failure(errno) }
    }

    deinit { Socket.close(number) }

    consuming func release() -> Int32 {
        let number = number
        discard self
        return number
    }
}

extension ListeningSocket {
    /// A host name can mean several addresses (`localhost`: ::1 and 127.0.0.1). The first on which a socket can listen
    /// is taken and no other, so that one `--bind` is one socket and the log names the one in use.
    static func openTCP(
        _ address: BindAddress, host: String, port: UInt16, backlog: Int32, reusePort: Bool
    ) throws(BindAddressError) -> ListeningSocket {
        let candidates: [SocketAddress]
        do throws(LookUpError) {
            candidates = try SocketAddress.lookUp(host, port, flags: AI_PASSIVE)
        } catch {
            throw error.number.map { address.failure($0) } ?? address.error(error.reason)
        }
        var failure: BindAddressError?
        for candidate in candidates {
            do throws(BindAddressError) {
                return try open(address, candidate, backlog: backlog, reusePort: reusePort)
            } catch {
                // Of several failures the first is told: it belongs to the address that was preferred.
                failure = failure ?? error
            }
        }
        throw failure ?? address.failure(EADDRNOTAVAIL)
    }

    private static func open(
        _ address: BindAddress, _ candidate: SocketAddress, backlog: Int32, reusePort: Bool
    ) throws(BindAddressError) -> ListeningSocket {
        let descriptor = try Descriptor(family: candidate.family, for: address)
        var options = [(SOL_SOCKET, SO_REUSEADDR)]
        if reusePort { options.append((SOL_SOCKET, SO_REUSEPORT)) }
        // Without this, a sysctl decides whether [::] also takes the port of 0.0.0.0.
        if candidate.family == AF_INET6 { options.append((Int32(IPPROTO_IPV6), IPV6_V6ONLY)) }
        var yes: Int32 = 1
        for (level, name) in options {
            guard setsockopt(descriptor.number, level, name, &yes, socklen_t(MemoryLayout<Int32>.size)) == 0 else {
                throw address.failure(errno)
            }
        }
        guard candidate.withBytes({ bind(descriptor.number, $0, $1) }) == 0,
            listen(descriptor.number, backlog) == 0
        else { throw address.failure(errno) }
        guard let name = SocketName(of: descriptor.number) else { throw address.failure(errno) }
        return ListeningSocket(descriptor.release(), address, name, file: nil)
    }

    /// Without an option, the mode of the file is what the process's umask leaves of 0777, as bind(2) makes it.
    static func openUnix(
        _ address: BindAddress, path: String, backlog: Int32, _ options: ListeningOptions
    ) throws(BindAddressError) -> ListeningSocket {
        guard let name = SocketAddress(path: path) else { throw address.failure(ENAMETOOLONG) }
        let descriptor = try Descriptor(family: AF_UNIX, for: address)
        let attempt = { name.withBytes { bind(descriptor.number, $0, $1) == 0 ? 0 : errno } }
        var code = attempt()
        if code == EADDRINUSE {
            if let refusal = occupant(of: path, name) { throw address.error(refusal) }
            unlink(path)
            code = attempt()
        }
        guard code == 0 else { throw address.failure(code) }
        let file = FileIdentity(of: path)
        // Before listen: until then nobody can connect, whatever the umask has left open.
        guard setFile(path, options), listen(descriptor.number, backlog) == 0 else {
            let failure = address.failure(errno)
            unlink(path)
            throw failure
        }
        return ListeningSocket(descriptor.release(), address, SocketName(path, 0, isUnix: true), file: file)
    }

    /// Returns false, with `errno`, if owner or mode cannot be given to the file.
    static func setFile(_ path: String, _ options: ListeningOptions) -> Bool {
        let (owner, nobody) = (options.fileOwner, UInt32.max)
        if owner != FileOwner(), lchown(path, owner.user ?? nobody, owner.group ?? nobody) != 0 { return false }
        return options.fileMode.map { chmod(path, mode_t($0)) } ?? 0 == 0
    }

    /// Why `path` cannot be used, as text; nil if it is free, or holds a socket file that no server answers on.
    private static func occupant(of path: String, _ name: SocketAddress) -> String? {
        var status = stat()
        guard lstat(path, &status) == 0 else { return errno == ENOENT ? nil : SystemError.message(errno) }
        guard status.st_mode & S_IFMT == S_IFSOCK else { return "a file that is not a socket is there" }
        guard let probe = try? Descriptor(family: AF_UNIX, for: .unix(path: path)) else {
            return SystemError.message(errno)
        }
        switch name.withBytes({ connect(probe.number, $0, $1) == 0 ? 0 : errno }) {
        case ECONNREFUSED, ENOENT: return nil
        // EAGAIN: its queue is full. EPROTOTYPE: it is not a stream socket. In both cases a process has it open.
        case 0, EAGAIN, EPROTOTYPE: return "a server is listening there already"
        case let code: return SystemError.message(code)
        }
    }

    static func openAbstract(
        _ address: BindAddress, name: String, backlog: Int32
    ) throws(BindAddressError) -> ListeningSocket {
        guard let bytes = SocketAddress(abstract: name) else { throw address.failure(ENAMETOOLONG) }
        let descriptor = try Descriptor(family: AF_UNIX, for: address)
        let code = bytes.withBytes {
            bind(descriptor.number, $0, $1) == 0 && listen(descriptor.number, backlog) == 0 ? 0 : errno
        }
        guard code == 0 else { throw address.failure(code) }
        return ListeningSocket(descriptor.release(), address, SocketName("@\(name)", 0, isUnix: true), file: nil)
    }

    /// Checks an inherited descriptor instead of trusting it: a number that is off by one is often open too.
    static func adopt(_ address: BindAddress, _ fileDescriptor: Int32) throws(BindAddressError) -> ListeningSocket {
        var value: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard fcntl(fileDescriptor, F_GETFD) >= 0 else { throw address.error("the descriptor is not open") }
        guard getsockopt(fileDescriptor, SOL_SOCKET, SO_TYPE, &value, &size) == 0 else {
            throw address.error("the descriptor is not a socket")
        }
        guard value == Int32(SOCK_STREAM.rawValue) else { throw address.error("it is not a stream socket") }
        guard getsockopt(fileDescriptor, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0, value != 0 else {
            throw address.error("the socket is not listening")
        }
        guard let name = SocketName(of: fileDescriptor) else { throw address.failure(errno) }
        // Close-on-exec keeps it from the programs that the app starts.
        guard Socket.setNonBlocking(fileDescriptor), fcntl(fileDescriptor, F_SETFD, FD_CLOEXEC) == 0 else {
            throw address.failure(errno)
        }
        return ListeningSocket(fileDescriptor, address, name, file: nil)
    }
}

extension BindAddress {
    fileprivate func error(_ reason: String) -> BindAddressError { BindAddressError(description, reason) }
    fileprivate func failure(_ errno: Int32) -> BindAddressError { error(SystemError.message(errno)) }
}

// Listening sockets: made by the master before it forks, shared by the workers, never made twice.
// A socket file on which a server listens is never replaced; one on which no server answers is.
import Glibc

/// A socket that accepts connections, non-blocking and close-on-exec. A copy refers to the same descriptor.
package struct ListeningSocket: Sendable {
    package let fileDescriptor: Int32
    /// The address that was asked for.
    package let address: BindAddress
    /// The literal address, or the path (`@NAME` when abstract) of a unix socket.
    package let localAddress: String
    /// The port in use, also when the kernel chose it; 0 for unix sockets.
    package let port: UInt16
    package let isUnix: Bool
    /// Where it listens, as `--bind` takes it, with the port that the kernel has chosen.
    package var text: String {
        if isUnix { return "unix:\(localAddress)" }
        return localAddress.contains(":") ? "[\(localAddress)]:\(port)" : "\(localAddress):\(port)"
    }
    /// The socket file that this process has made, or taken over.
    package let file: FileIdentity?

    /// For a descriptor that listens already, e.g. in a test.
    package init(fileDescriptor: Int32, address: BindAddress, localAddress: String, port: UInt16, isUnix: Bool) {
        self.init(fileDescriptor, address, SocketName(localAddress, port, isUnix: isUnix), file: nil)
    }

    init(_ fileDescriptor: Int32, _ address: BindAddress, _ name: SocketName, file: FileIdentity?) {
        self.fileDescriptor = fileDescriptor
        self.address = address
        localAddress = name.address
        port = name.port
        isUnix = name.isUnix
        self.file = file
    }

    /// Opens, binds and listens.
    ///
    /// - Parameters:
    ///   - backlog: the connections that the kernel queues for accept(2); it caps them at `somaxconn`.
    ///   - reusePort: sets SO_REUSEPORT, so that one address can have several sockets. TCP only.
    ///   - options: what it and its connections have.
    /// - Throws: why the address cannot be used, as text for the user.
    package static func open(
        _ address: BindAddress, backlog: Int32, reusePort: Bool = false, options: ListeningOptions = ListeningOptions()
    ) throws(BindAddressError) -> ListeningSocket {
        let socket =
            switch address {
            case .tcp(let host, let port):
                try openTCP(address, host: host, port: port, backlog: backlog, reusePort: reusePort)
            case .unix(let path):
                try openUnix(address, path: path, backlog: backlog, options)
            case .abstract(let name):
                try openAbstract(address, name: name, backlog: backlog)
            case .inherited(let fileDescriptor):
                try adopt(address, fileDescriptor)
            case .named(let name):
                throw BindAddressError(address.description, "systemd has passed no socket with the name \(name)")
            }
        socket.set(options.tcp)
        return socket
    }

    /// Takes over a socket that another process has opened for this address and passed on.
    ///
    /// - Parameter file: the socket file that the other process has made.
    package static func takeOver(
        _ fileDescriptor: Int32, of address: BindAddress, file: FileIdentity?
    ) throws(BindAddressError) -> ListeningSocket {
        let socket = try adopt(address, fileDescriptor)
        let name = SocketName(socket.localAddress, socket.port, isUnix: socket.isUnix)
        return ListeningSocket(fileDescriptor, address, name, file: file)
    }

    /// Opens another socket on the same address and port. This one must have been opened with `reusePort`.
    package func openSibling(
        backlog: Int32, options: ListeningOptions = ListeningOptions()
    ) throws(BindAddressError) -> ListeningSocket {
        let sibling = try Self.open(
            .tcp(host: localAddress, port: port), backlog: backlog, reusePort: true, options: options)
        return ListeningSocket(
            sibling.fileDescriptor, address, SocketName(localAddress, port, isUnix: false), file: nil)
    }

    /// Closes this process's copy. An inherited socket stays open: the process that passed it on closes it.
    package func close() {
        if case .inherited = address { return }
        Socket.close(fileDescriptor)
    }

    /// Connections that wait to be accepted, and for how many there is room: of a TCP socket that listens,
    /// `tcpi_unacked` and `tcpi_sacked` of tcp(7) say it. Nil for another one.
    package var acceptQueue: (waiting: Int, limit: Int)? {
        guard !isUnix else { return nil }
        var info = tcp_info()
        var size = socklen_t(MemoryLayout<tcp_info>.size)
        guard getsockopt(fileDescriptor, Int32(IPPROTO_TCP), TCP_INFO, &info, &size) == 0 else { return nil }
        return (Int(info.tcpi_unacked), Int(info.tcpi_sacked))
    }

    /// Changes the owner and the mode of the socket file, unless another file has taken its path since.
    package func setFile(_ options: ListeningOptions) {
        guard let file, case .unix(let path) = address, FileIdentity(of: path) == file else { return }
        _ = Self.setFile(path, options)
    }

    /// Removes the socket file, unless another file has taken its path since.
    package func removeFile() {
        guard let file, case .unix(let path) = address, FileIdentity(of: path) == file else { return }
        unlink(path)
    }
}

extension ListeningSocket: CustomStringConvertible {
    /// The address as the log shows it, with the port in use: `http://127.0.0.1:8000`, `unix:/run/app.sock`.
    package var description: String {
        isUnix ? "unix:\(localAddress)" : BindAddress.tcp(host: localAddress, port: port).description
    }
}

/// Identifies the file at a path, so that another file at the same path is recognised as another one.
package struct FileIdentity: Equatable, Sendable {
    package let device: UInt
    package let inode: UInt

    package init(device: UInt, inode: UInt) {
        self.device = device
        self.inode = inode
    }

    init?(of path: String) {
        var status = stat()
        guard lstat(path, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
    }
}

// A socket to whoever collects logs or metrics. Law: nothing waits, not even a connection; what cannot be sent is
// counted as lost; each process has a socket of its own, made when it is first needed.

import Glibc

/// Where a `LogSocket` sends to.
package enum LogAddress: Equatable, Sendable {
    case udp(host: String, port: UInt16)
    case tcp(host: String, port: UInt16)
    case unix(path: String, UnixType)

    /// Of a Unix socket. `either` is a datagram socket, or a stream where the other end is one.
    package enum UnixType: Sendable { case either, datagram, stream }
}

/// Why an address cannot be used: the end of a sentence.
package struct LogAddressError: Error, Equatable {
    package let reason: String
}

/// An address that has been looked up, so that a socket can be made without waiting for the resolver.
package struct LogDestination: Equatable, Sendable {
    let address: LogAddress
    /// The addresses of the host, in the resolver's order; at least one.
    let names: [SocketAddress]

    /// Looks the host up, which may take as long as the resolver does.
    package init(_ address: LogAddress) throws(LogAddressError) {
        self.address = address
        switch address {
        case .udp(let host, let port): names = try Self.resolve(host, port, SOCK_DGRAM)
        case .tcp(let host, let port): names = try Self.resolve(host, port, SOCK_STREAM)
        case .unix(let path, _):
            guard let address = SocketAddress(path: path) else {
                throw LogAddressError(reason: "the path of a socket has 1 to 107 bytes")
            }
            names = [address]
        }
    }

    private static func resolve(
        _ host: String, _ port: UInt16, _ type: __socket_type
    ) throws(LogAddressError) -> [SocketAddress] {
        do throws(LookUpError) {
            return try SocketAddress.lookUp(host, port, type: type)
        } catch {
            throw LogAddressError(reason: "cannot resolve '\(host)': \(error.reason)")
        }
    }
}

package final class LogSocket {
    private let address: LogAddress
    /// Lines that were not sent.
    package private(set) var lost = LostLines()
    private let names: [SocketAddress]
    private var current = 0
    private var descriptor: Int32 = -1
    private var isStream: Bool
    /// Monotonic seconds before which no other attempt to connect is made.
    private var nextAttempt = 0.0
    private var failure: Int32 = ENOTCONN
    /// What has not been taken yet. Not over UDP, which never says that it is full.
    private var queue = LineQueue()

    /// Seconds between attempts to connect, so that a collector that is down costs no system calls for each line.
    private static let pause = 1.0

    /// Opens nothing yet.
    package init(_ destination: LogDestination) {
        address = destination.address
        names = destination.names
        isStream =
            switch destination.address {
            case .tcp, .unix(_, .stream): true
            default: false
            }
    }

    deinit { disconnect() }

    /// Bytes of the largest datagram that no usual network cuts into pieces.
    package var datagramSize: Int { isNetwork ? 1432 : 8192 }
    private var isNetwork: Bool { if case .unix = address { false } else { true } }

    /// Sends a line as one datagram, or appends it to the stream. Returns at once.
    ///
    /// - Parameter line: with its line feed, which a datagram does without.
    package func send(_ line: UnsafeRawBufferPointer) {
        guard !line.isEmpty else { return }
        if isNetwork, !isStream {
            guard connect() else { return lost.add(1, failure) }
            _ = sendDatagram(UnsafeRawBufferPointer(rebasing: line.dropLast()))
            return
        }
        lost.add(queue.append(line), descriptor >= 0 ? EAGAIN : failure)
        retry()
    }

    /// Tries again what waits. Returns true if nothing does any more.
    @discardableResult
    package func retry() -> Bool {
        guard !queue.isEmpty else { return true }
        guard connect() else {
            // A stream has been told of its end, so that what waits is kept for the next one.
            if !isStream { lost.add(queue.removeAll(), failure) }
            return queue.isEmpty
        }
        guard isStream else {
            // Out of the object meanwhile: connecting looks at the queue.
            var waiting = queue
            queue = LineQueue()
            waiting.drainLines { sendDatagram($0) }
            queue = waiting
            return queue.isEmpty
        }
        let error = queue.drain(attempt)
        if error < 0, error != -Int(EAGAIN) {
            disconnect()
            (failure, nextAttempt) = (Int32(-error), EventLoop.monotonicNow() + Self.pause)
        }
        return queue.isEmpty
    }

    /// What is to become writable before something that waits can be sent; nil if nothing waits, or nobody is there.
    package var waitingDescriptor: Int32? { queue.isEmpty || descriptor < 0 ? nil : descriptor }

    /// Waits up to `seconds` for what has not been taken yet; what remains is lost. For the end of a process.
    package func finish(seconds: Double) {
        let end = EventLoop.monotonicNow() + seconds
        while !retry(), descriptor >= 0 {
            var waited = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
            let left = end - EventLoop.monotonicNow()
            guard left > 0, poll(&waited, 1, Int32(left * 1000) + 1) > 0 else { break }
        }
        lost.add(queue.removeAll(), descriptor >= 0 ? EAGAIN : failure)
    }

    /// In a forked child: what waits is the parent's to send, and the connection is its too.
    package func forget() {
        disconnect()
        nextAttempt = 0
        _ = queue.removeAll()
        _ = lost.take()
    }

    package func takeLost() -> LostLines { lost.take() }

    // MARK: one message

    /// Returns false if it is to be tried again: a Unix socket's queue is full.
    private func sendDatagram(_ message: UnsafeRawBufferPointer) -> Bool {
        var answer = attempt(message)
        guard answer < 0 else { return true }
        if [ECONNREFUSED, ENOTCONN, ECONNRESET, ENOENT, EPIPE].contains(Int32(-answer)) {
            // On a network that is about the datagram before; a Unix socket has been made anew by its collector.
            if isNetwork { lost.add(1, Int32(-answer)) }
            if !isNetwork || names.count > 1 {
                current = (current + 1) % names.count
                disconnect()
                guard connect() else {
                    lost.add(1, failure)
                    return true
                }
                // The collector's new socket is a stream, so that this line is to be sent as one.
                if isStream { return false }
            }
            answer = attempt(message)
        }
        if answer == -Int(EAGAIN), !isNetwork { return false }
        if answer < 0 { lost.add(1, Int32(-answer)) }
        return true
    }

    /// Returns how many bytes were taken, or a negated `errno`.
    private func attempt(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count = Glibc.send(
                descriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            if count >= 0 { return count }
            guard errno == EINTR else { return -Int(errno) }
        }
    }

    // MARK: the connection

    /// Returns true if there is a socket to send to. A connection that is still being made counts.
    private func connect() -> Bool {
        if descriptor >= 0 { return isStream ? !hasEnded : true }
        guard EventLoop.monotonicNow() >= nextAttempt else { return false }
        var answer = open(names[current])
        if answer == -EPROTOTYPE, case .unix(_, .either) = address {
            isStream.toggle()
            answer = open(names[current])
        }
        guard answer >= 0 else {
            (failure, nextAttempt) = (-answer, EventLoop.monotonicNow() + Self.pause)
            current = (current + 1) % names.count
            return false
        }
        descriptor = answer
        lost.add(queue.removeTornLine(), ECONNRESET)
        return true
    }

    /// Whether the collector has closed the stream. What is written to it then would be lost without a word.
    private var hasEnded: Bool {
        var byte: UInt8 = 0
        let count = recv(descriptor, &byte, 1, Int32(MSG_DONTWAIT))
        guard count == 0 || count < 0 && ![EAGAIN, EINTR, ENOTCONN].contains(errno) else { return false }
        (failure, nextAttempt) = (count == 0 ? EPIPE : errno, 0)
        disconnect()
        return !connect()
    }

    /// Returns the descriptor, or a negated `errno`.
    private func open(_ name: SocketAddress) -> Int32 {
        let type = isStream ? SOCK_STREAM : SOCK_DGRAM
        let socket = Glibc.socket(
            name.family, Int32(type.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue), 0)
        guard socket >= 0 else { return -errno }
        let status = name.withBytes { Glibc.connect(socket, $0, $1) }
        guard status == 0 || errno == EINPROGRESS else {
            let error = errno
            _ = close(socket)
            return -error
        }
        return socket
    }

    private func disconnect() {
        if descriptor >= 0 { _ = close(descriptor) }
        descriptor = -1
    }
}

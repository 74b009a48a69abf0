// A connection to another server (a database, a cache) that tasks of the worker read and write without blocking it.
// Readiness is awaited on the worker's own loop; no thread of Dispatch wakes for it. Time limits and cancellation end
// a wait at once.

import CEvLoop
import Glibc

/// Why a stream could not be opened, read or written.
public enum LoopStreamError: Error, Equatable, Sendable, CustomStringConvertible {
    case timedOut
    /// `close()` was called, here or by an earlier failure.
    case closed
    /// Another task reads, or writes, at this moment.
    case busy
    /// A system call or the look-up of the name failed; the text says why.
    case failed(String)

    public var description: String {
        switch self {
        case .timedOut: "the time is up"
        case .closed: "the connection is closed"
        case .busy: "another task reads or writes already"
        case .failed(let reason): reason
        }
    }
}

/// A stream of bytes to another server: TCP or a unix socket, without TLS.
///
///     let stream = try await LoopStream.connect(to: .tcp(host: "localhost", port: 6379))
///     try await stream.write(Array("PING\r\n".utf8))
///     let answer = try await stream.read(atMost: 4096, within: .seconds(5))
///
/// One task may read while another writes. The stream closes when it is released.
@LoopActor
public final class LoopStream {
    /// The other end.
    public enum Address: Sendable, Hashable {
        /// A host name or a literal address, IPv6 without brackets.
        case tcp(host: String, port: UInt16)
        /// The path of a socket file.
        case unix(path: String)
    }

    package let fileDescriptor: Int32
    private let loop: EventLoop
    private var watcher: IOWatcher?
    private var isOpen = true
    private var reading: Wait?
    private var isWriting = false
    private var writing: Wait?

    private init(_ fileDescriptor: Int32, _ loop: EventLoop) {
        self.fileDescriptor = fileDescriptor
        self.loop = loop
    }

    isolated deinit { close() }

    /// Opens a connection. The addresses of a host name are tried one after the other; a name that is no literal
    /// address is looked up on a thread of its own, which ends with the answer.
    ///
    /// - Parameter limit: the longest time for all of it.
    /// - Throws: ``LoopStreamError``; `CancellationError` as soon as the task is cancelled.
    public static func connect(
        to address: Address, within limit: Duration = .seconds(5)
    ) async throws -> LoopStream {
        guard let loop = LoopExecutor.shared.boundLoop else { throw LoopStreamError.failed("not on a worker's loop") }
        let deadline = LoopClock().now.advanced(by: limit)
        let candidates = try await SocketAddress.resolve(address, within: limit)
        var failure: LoopStreamError?
        for candidate in candidates {
            do {
                return try await connect(to: candidate, until: deadline, loop)
            } catch let error as LoopStreamError {
                // Of several failures the first is told: it belongs to the address that was preferred.
                failure = failure ?? error
            }
        }
        throw failure ?? LoopStreamError.failed("the name has no address")
    }

    private static func connect(
        to address: SocketAddress, until deadline: LoopClock.Instant, _ loop: EventLoop
    ) async throws -> LoopStream {
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        let number = socket(address.family, type, 0)
        guard number >= 0 else { throw LoopStreamError(errno) }
        let stream = LoopStream(number, loop)
        guard address.withBytes({ Glibc.connect(number, $0, $1) }) != 0 else { return stream.opened() }
        guard errno == EINPROGRESS else { throw LoopStreamError(errno) }
        try await stream.ready(.write, within: LoopClock().now.duration(to: deadline))
        var code: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        guard getsockopt(number, SOL_SOCKET, SO_ERROR, &code, &size) == 0 else { throw LoopStreamError(errno) }
        guard code == 0 else { throw LoopStreamError(code) }
        return stream.opened()
    }

    /// Sets options of TCP: small messages are sent without delay, and keep-alive probes find out when the peer has
    /// vanished without closing. On a unix socket the calls fail, and it needs neither option.
    private func opened() -> LoopStream {
        var yes: Int32 = 1
        for (level, name) in [(Int32(IPPROTO_TCP), TCP_NODELAY), (SOL_SOCKET, SO_KEEPALIVE)] {
            _ = setsockopt(fileDescriptor, level, name, &yes, socklen_t(MemoryLayout<Int32>.size))
        }
        return self
    }

    /// Returns the next bytes as soon as there are some, at most `count`; an empty array at the end of the stream.
    ///
    /// A read that was cancelled, or whose time was up, has consumed nothing: the next read gets the same bytes.
    /// - Parameter limit: the longest wait for the first byte; nil waits without end.
    /// - Throws: ``LoopStreamError``; `CancellationError` as soon as the task is cancelled.
    public func read(atMost count: Int, within limit: Duration? = nil) async throws -> [UInt8] {
        guard reading == nil else { throw LoopStreamError.busy }
        while true {
            try Task.checkCancellation()
            guard isOpen else { throw LoopStreamError.closed }
            var result = 0
            let bytes = [UInt8](unsafeUninitializedCapacity: max(1, count)) { buffer, initialized in
                result = Socket.read(fileDescriptor, into: UnsafeMutableRawBufferPointer(buffer))
                initialized = max(0, result)
            }
            if result >= 0 { return bytes }
            guard result == SocketError.wouldBlock else { throw fail(-result) }
            try await ready(.read, within: limit)
        }
    }

    /// Sends all bytes; waits while the peer does not take them.
    ///
    /// A write that was cancelled, or whose time was up, may have sent a part: the stream is closed.
    /// - Parameter limit: the longest wait for the peer to take some; nil waits without end.
    /// - Throws: ``LoopStreamError``; `CancellationError` as soon as the task is cancelled.
    public func write(_ bytes: [UInt8], within limit: Duration? = nil) async throws {
        guard !isWriting else { throw LoopStreamError.busy }
        isWriting = true
        defer { isWriting = false }
        var sent = 0
        do {
            while sent < bytes.count {
                try Task.checkCancellation()
                guard isOpen else { throw LoopStreamError.closed }
                let result = bytes.withUnsafeBytes {
                    Socket.send(fileDescriptor, UnsafeRawBufferPointer(rebasing: $0[sent...]))
                }
                if result >= 0 {
                    sent += result
                } else {
                    guard result == SocketError.wouldBlock else { throw LoopStreamError(Int32(-result)) }
                    try await ready(.write, within: limit)
                }
            }
        } catch {
            close()
            throw error
        }
    }

    /// Ends the stream. A task that reads or writes gets ``LoopStreamError/closed``. Idempotent.
    public func close() {
        guard isOpen else { return }
        isOpen = false
        watcher?.stop()
        watcher = nil
        Socket.close(fileDescriptor)
        reading?.end(.failure(LoopStreamError.closed))
        writing?.end(.failure(LoopStreamError.closed))
    }

    private func fail(_ code: Int) -> LoopStreamError {
        close()
        return LoopStreamError(Int32(clamping: code))
    }

    // MARK: readiness

    /// Returns when the socket is ready: for whoever reads and writes it otherwise, as TLS does.
    package func isReady(_ events: IOEvents, within limit: Duration?) async throws {
        guard isOpen else { throw LoopStreamError.closed }
        guard (events == .read ? reading : writing) == nil else { throw LoopStreamError.busy }
        try await ready(events, within: limit)
    }

    private func ready(_ events: IOEvents, within limit: Duration?) async throws {
        let wait = Wait()
        if events == .read { reading = wait } else { writing = wait }
        updateInterest()
        defer {
            if events == .read { reading = nil } else { writing = nil }
            updateInterest()
        }
        try await wait.begin(within: limit)
    }

    private func updateInterest() {
        guard isOpen else { return }
        let events = (reading == nil ? IOEvents.none : .read).union(writing == nil ? .none : .write)
        if let watcher { return watcher.setEvents(events) }
        let made = IOWatcher(loop, fileDescriptor: fileDescriptor, events: events) { [unowned self] events in
            if events.contains(.read) { self.reading?.end(.success(())) }
            if events.contains(.write) { self.writing?.end(.success(())) }
        }
        watcher = made
        made.start()
    }
}

extension LoopStreamError {
    init(_ errno: Int32) { self = .failed(SystemError.message(errno)) }
}

// One question over one connection, and its answer. Law: no call of it blocks. Whoever drives it polls the descriptor
// for `events` until `wakeUp`, and calls `advance`.

import EvLoop
import Glibc

package final class ClientCall {
    /// Seconds that are waited.
    struct Limits {
        var connect = 2.0
        /// From the connection to the whole answer; nil for as long as it takes, once its head is there.
        var answer: Double? = 10
    }

    private enum State {
        case connecting
        case sending
        case receiving
        case finished
    }

    private(set) var descriptor: Int32 = -1
    private(set) var reader: AnswerReader
    private let address: ClientAddress
    private let limits: Limits
    private var rest: ArraySlice<UInt8>
    private var buffer = [UInt8](repeating: 0, count: 65_536)
    private var state = State.connecting
    private var nextTarget = 0
    private var deadline: Double
    /// The next attempt at a socket whose queue is full.
    private var retry: Double?

    /// No answer is larger: 16 MB is what a worker may say.
    private static let bodyLimit = 256 << 20
    /// Between two attempts at a socket whose queue is full.
    private static let pause = 0.02

    init(_ address: ClientAddress, _ request: [UInt8], _ limits: Limits = Limits()) throws(ClientError) {
        self.address = address
        self.limits = limits
        rest = request[...]
        reader = AnswerReader(bodyLimit: Self.bodyLimit)
        deadline = EventLoop.monotonicNow() + limits.connect
        try connectNext(ECONNREFUSED)
    }

    deinit { close() }

    private func close() {
        if descriptor >= 0 { Socket.close(descriptor) }
        descriptor = -1
    }

    /// What poll(2) is to wait for; none while the call waits for a time only.
    var events: Int16 {
        switch state {
        case .connecting: retry == nil ? Int16(POLLOUT) : 0
        case .sending: Int16(POLLOUT)
        case .receiving: Int16(POLLIN)
        case .finished: 0
        }
    }

    /// The time of the monotonic clock at which `advance` is due whatever the descriptor says.
    var wakeUp: Double { min(retry ?? .infinity, deadline) }

    /// What has come of the body, without what has been taken before.
    func takeBody() -> [UInt8] { reader.take() }

    var isFinished: Bool { if case .finished = state { true } else { false } }

    /// Goes on as far as it can without waiting.
    func advance() throws(ClientError) {
        let now = EventLoop.monotonicNow()
        do throws(ClientError) {
            if case .connecting = state { try connect(now) }
            if case .sending = state { try send() }
            if case .receiving = state { try receive() }
            if !isFinished, now >= deadline { throw tooLate }
        } catch {
            state = .finished
            close()
            throw error
        }
    }

    private var tooLate: ClientError {
        if case .connecting = state {
            return ClientError(.unreachable, "cannot connect to \(address.text): no answer in \(Int(limits.connect)) s")
        }
        return ClientError(.failed, "the server at \(address.text) does not answer in \(Int(limits.answer ?? 10)) s")
    }

    // MARK: connecting

    /// - Parameter failure: what is told if there is nothing left to try.
    private func connectNext(_ failure: Int32) throws(ClientError) {
        close()
        guard nextTarget < address.targets.count else { throw Self.refused(address.text, failure) }
        let target = address.targets[nextTarget]
        nextTarget += 1
        let type = Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue | SOCK_NONBLOCK.rawValue)
        descriptor = socket(target.family, type, 0)
        guard descriptor >= 0 else { throw Self.refused(address.text, errno) }
        try attempt(target)
    }

    private func attempt(_ target: SocketAddress) throws(ClientError) {
        retry = nil
        let result = target.withBytes { Glibc.connect(descriptor, $0, $1) }
        if result == 0 { return connected() }
        switch errno {
        case EINPROGRESS, EINTR: break
        // The queue of a unix socket is full, and nothing tells when it is not.
        case EAGAIN: retry = EventLoop.monotonicNow() + Self.pause
        default: try connectNext(errno)
        }
    }

    private func connect(_ now: Double) throws(ClientError) {
        if let due = retry {
            if now >= due { try attempt(address.targets[nextTarget - 1]) }
            return
        }
        guard Socket.waitBlocking(descriptor, for: .write, seconds: 0) else { return }
        var failure: Int32 = 0
        var size = socklen_t(MemoryLayout<Int32>.size)
        getsockopt(descriptor, SOL_SOCKET, SO_ERROR, &failure, &size)
        if failure != 0 { try connectNext(failure) } else { connected() }
    }

    private func connected() {
        state = .sending
        deadline = EventLoop.monotonicNow() + (limits.answer ?? 10)
    }

    private static func refused(_ address: String, _ failure: Int32) -> ClientError {
        let why =
            switch failure {
            case ECONNREFUSED, ENOENT: "is there a server that runs with --admin-bind \(address)?"
            case EACCES, EPERM: "a socket file is for the server's user alone"
            default: "is the server reachable from here?"
            }
        return ClientError(.unreachable, "cannot connect to \(address): \(SystemError.message(failure)); \(why)")
    }

    // MARK: question and answer

    private func send() throws(ClientError) {
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Socket.send(descriptor, $0) }
            if count == SocketError.wouldBlock || count == -Int(EINTR) { return }
            // Whoever does not read the question may have said why.
            guard count > 0 else { break }
            rest.removeFirst(count)
        }
        state = .receiving
    }

    private func receive() throws(ClientError) {
        do throws(AnswerReader.Failure) {
            while !reader.isComplete {
                let count = buffer.withUnsafeMutableBytes { Socket.read(descriptor, into: $0) }
                if count == SocketError.wouldBlock || count == -Int(EINTR) { break }
                if count > 0 { try reader.feed(buffer[..<count]) } else { try reader.end() }
            }
        } catch {
            throw ClientError(.failed, "the server at \(address.text) \(Self.sentence(error))")
        }
        // The head is there, and the rest may take its time.
        if limits.answer == nil, reader.hasHead { deadline = .infinity }
        if reader.isComplete {
            state = .finished
            close()
        }
    }

    private static func sentence(_ failure: AnswerReader.Failure) -> String {
        switch failure {
        case .malformed: "does not answer in HTTP: is it one of evgateway's?"
        case .tooLarge: "answers with more than can be read"
        case .cutShort: "has closed the connection within its answer"
        }
    }
}

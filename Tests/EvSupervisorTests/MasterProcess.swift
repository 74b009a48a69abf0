// A real master with real workers, in a process of its own. Forking is safe in a process with one busy thread only, so
// a test that uses this runs in an exit test.
import EvLoop
import EvSupervisor
import Glibc
import Logging
import Testing

/// A file to which several processes append lines.
struct Journal: LogHandler {
    let path: String
    var logLevel = Logger.Level.info
    var metadata: Logger.Metadata = [:]

    init(_ path: String) { self.path = path }

    func add(_ line: String) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        let text = line + "\n"
        _ = text.withCString { write(descriptor, $0, strlen($0)) }
    }

    var lines: [String] {
        guard let file = fopen(path, "r") else { return [] }
        defer { fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = fread(&bytes, 1, bytes.count, file)
        return String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    }

    func contains(_ part: String) -> Bool { lines.contains { $0.contains(part) } }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) { add("\(event.level) \(event.message)") }
}

final class MasterProcess {
    let pid: Int32
    let log: Journal
    private var status: EvSupervisor.ExitStatus?

    /// - Parameter plans: what happens to the configuration at each HUP; after the last one it stays.
    init(
        in directory: TemporaryDirectory, _ configuration: SupervisorConfiguration,
        hooks: SupervisorHooks = SupervisorHooks(), plans: [() -> Reconfiguration] = [],
        worker: @escaping (WorkerContext) -> Int32 = { PlainWorker($0).run() }
    ) throws {
        let log = Journal("\(directory.path)/log")
        self.log = log
        let test = getpid()
        guard let pid = try Fork.fork() else {
            // A group of its own, so that a test that fails can end whatever the master has started.
            setpgid(0, 0)
            Fork.endWithParent(test)
            var plans = plans[...]
            let supervisor = Supervisor(
                configuration: configuration, logger: Logger(label: "test") { _ in log }, hooks: hooks,
                reconfigure: { plans.popFirst()?() ?? .keep }, worker: worker)
            Fork.exitChild(supervisor.run())
        }
        self.pid = pid
        setpgid(pid, pid)
    }

    deinit {
        kill(-pid, SIGKILL)
        if status == nil { waitpid(pid, nil, 0) }
    }

    func signal(_ number: Int32) { kill(pid, number) }

    /// How the process has ended; it is killed if it does not end within some seconds.
    func end() -> EvSupervisor.ExitStatus? {
        var code: Int32 = 0
        guard wait(until: { waitpid(self.pid, &code, WNOHANG) == self.pid }) else { return nil }
        status = EvSupervisor.ExitStatus(waitStatus: code)
        return status
    }

    func stop() -> EvSupervisor.ExitStatus? {
        signal(SIGTERM)
        return end()
    }
}

/// Answers each connection with one line: index, age, graceful timeout.
struct PlainWorker {
    let context: WorkerContext
    /// While this returns true, connections wait in the queue.
    var isPaused: () -> Bool = { false }
    /// How many seconds it takes to leave.
    var drain = 0.0

    init(_ context: WorkerContext) { self.context = context }

    func run() -> Int32 {
        tell(.ready)
        while true {
            context.slot.heartbeat = EventLoop.monotonicNow()
            var byte: UInt8 = 0
            let count = recv(context.controlFileDescriptor, &byte, 1, Int32(MSG_DONTWAIT))
            guard count != 0 else { return ExitCode.failure }
            if count > 0, let command = ControlCommand(rawValue: byte), command != .reopenLogs, command != .announce {
                if command == .stop || command == .retireAlone { answerAll() }
                for listener in context.listeners { listener.close() }
                usleep(UInt32(drain * 1e6))
                tell(.finished)
                return ExitCode.success
            }
            if !isPaused() { answerAll() }
            usleep(2000)
        }
    }

    private func answerAll() {
        for listener in context.listeners {
            while true {
                let client = accept(listener.fileDescriptor, nil, nil)
                guard client >= 0 else { break }
                let text = "\(context.index) \(context.age) \(Int(context.gracefulTimeout))"
                _ = text.withCString { write(client, $0, strlen($0)) }
                close(client)
            }
        }
    }

    private func tell(_ message: ControlMessage) {
        var byte = message.rawValue
        _ = send(context.controlFileDescriptor, &byte, 1, Int32(MSG_NOSIGNAL))
    }
}

/// A connection to a ``PlainWorker``.
struct Client: ~Copyable {
    private let descriptor: Int32

    /// Returns nil if the connection is refused, or there is no socket file.
    init?(_ address: BindAddress) {
        let isUnix = if case .unix = address { true } else { false }
        descriptor = socket(isUnix ? AF_UNIX : AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        guard Self.connect(descriptor, address) else { return nil }
    }

    deinit { close(descriptor) }

    /// The answer; nil if there is none within some seconds.
    func read() -> PlainAnswer? {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = recv(descriptor, &bytes, bytes.count, 0)
        let words = String(decoding: bytes.prefix(max(0, count)), as: UTF8.self).split(separator: " ").compactMap {
            Int($0)
        }
        return words.count == 3 ? PlainAnswer(index: words[0], age: words[1], gracefulTimeout: words[2]) : nil
    }

    private static func connect(_ descriptor: Int32, _ address: BindAddress) -> Bool {
        switch address {
        case .tcp(let host, let port):
            var name = sockaddr_in()
            name.sin_family = sa_family_t(AF_INET)
            name.sin_port = port.bigEndian
            inet_pton(AF_INET, host, &name.sin_addr)
            return withUnsafeBytes(of: name) { connect(descriptor, $0) }
        case .unix(let path):
            var name = sockaddr_un()
            name.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &name.sun_path) { $0.copyBytes(from: path.utf8) }
            return withUnsafeBytes(of: name) { connect(descriptor, $0) }
        default: return false
        }
    }

    private static func connect(_ descriptor: Int32, _ name: UnsafeRawBufferPointer) -> Bool {
        guard let base = name.baseAddress else { return false }
        return Glibc.connect(descriptor, base.assumingMemoryBound(to: sockaddr.self), socklen_t(name.count)) == 0
    }
}

struct PlainAnswer: Equatable {
    let index: Int
    let age: Int
    let gracefulTimeout: Int
}

/// Connects and reads the answer; nil if there is none.
func ask(_ address: BindAddress) -> PlainAnswer? { Client(address)?.read() }

/// Returns false if the condition is not true within ten seconds.
func wait(until condition: () -> Bool) -> Bool {
    let end = EventLoop.monotonicNow() + 10
    while !condition() {
        guard EventLoop.monotonicNow() < end else { return false }
        usleep(3000)
    }
    return true
}

/// Addresses of IPv4's loopback network that no other process of these tests uses.
func address(_ port: UInt16) -> BindAddress {
    let pid = getpid()
    return .tcp(host: "127.\(1 + pid / 65536 % 250).\(pid / 256 % 256).\(pid % 256)", port: port)
}

// `--daemon`: the server goes on in a process without a terminal. The command that has started it waits until the first
// worker is ready, so that every error on the way reaches the terminal and the exit code.

import EvLoop
import EvSupervisor
import Glibc
import Synchronization

final class Daemon {
    enum Role {
        /// The process that the command has started, with the exit code that it ends with.
        case starter(Int32)
        /// The one that serves.
        case daemon(Daemon)
    }

    /// The process that serves, in the one that waits for it.
    private static let process = Atomic<Int32>(0)

    /// What the daemon writes: its process id first, then an exit code; that of one that serves is 0.
    private var pipe: Int32
    private let keepsStreams: Bool

    private init(_ pipe: Int32, keepsStreams: Bool) {
        self.pipe = pipe
        self.keepsStreams = keepsStreams
    }

    /// Forks. Returns in both processes, in the one that the command has started when its part is done.
    static func start(_ hooks: ForkHooks, keepsStreams: Bool) throws(SystemError) -> Role {
        var ends: [Int32] = [-1, -1]
        guard Glibc.pipe(&ends) == 0 else { throw SystemError("pipe") }
        // Programs that the app starts must not hold it open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        if let child = try hooks.fork() {
            close(ends[1])
            defer { close(ends[0]) }
            while waitpid(child, nil, 0) < 0, errno == EINTR {}
            return .starter(wait(ends[0]))
        }
        close(ends[0])
        // The leader of a session gets a terminal by opening one; its child does not.
        setsid()
        let grandchild: Int32?
        do throws(SystemError) { grandchild = try Fork.fork() } catch { _exit(ExitCode.failure) }
        if grandchild != nil { _exit(0) }
        hooks.inChild()
        EarlySignals.note()
        let daemon = Daemon(ends[1], keepsStreams: keepsStreams)
        daemon.tell(getpid())
        return .daemon(daemon)
    }

    private static func wait(_ pipe: Int32) -> Int32 {
        guard let pid = receive(pipe) else { return ExitCode.failure }
        process.store(pid, ordering: .relaxed)
        // Whoever gives up here means the server.
        for number in [SIGINT, SIGTERM, SIGQUIT] {
            signal(number) { number in kill(Daemon.process.load(ordering: .relaxed), number) }
        }
        return receive(pipe) ?? ExitCode.failure
    }

    /// Nil at the end of the pipe.
    private static func receive(_ pipe: Int32) -> Int32? {
        var value: Int32 = 0
        while true {
            // A pipe passes so few bytes on as a whole.
            let count = read(pipe, &value, MemoryLayout<Int32>.size)
            if count < 0, errno == EINTR { continue }
            return count == MemoryLayout<Int32>.size ? value : nil
        }
    }

    private func tell(_ value: Int32) {
        guard pipe >= 0 else { return }
        var value = value
        _ = write(pipe, &value, MemoryLayout<Int32>.size)
    }

    /// Runs the server, and tells an exit code if it ends before it serves.
    func run(_ serve: () throws -> Int32) -> Int32 {
        let code: Int32
        do {
            code = try serve()
        } catch {
            code = report(error)
        }
        tell(code)
        leaveToMaster()
        return code
    }

    /// The first worker is ready: the command ends, and nothing of its terminal is used any more.
    func isServing() {
        guard pipe >= 0 else { return }
        detach()
        tell(0)
        leaveToMaster()
    }

    /// In a worker: its copy would keep the pipe open when the master ends.
    func leaveToMaster() {
        guard pipe >= 0 else { return }
        close(pipe)
        pipe = -1
    }

    /// Makes the standard streams /dev/null. Also in a worker that was started before the daemon was told to.
    func detach() {
        let null = open("/dev/null", O_RDWR)
        guard null >= 0 else { return }
        dup2(null, STDIN_FILENO)
        for stream in [STDOUT_FILENO, STDERR_FILENO] where !keepsStreams || isatty(stream) == 1 { dup2(null, stream) }
        if null > STDERR_FILENO { close(null) }
    }
}

// Runs code in a child process that answers through a pipe and ends: for questions whose answer has side effects, such
// as importing an app. The master itself starts no thread and imports nothing.

package import EvLoop
import Glibc

package enum ForkedQuestion {
    /// The largest answer in bytes.
    private static let capacity = 4096

    /// Runs `answer` in a child, which then ends without running exit handlers.
    ///
    /// - Parameters:
    ///   - user: whom the child runs as; nil: as this process.
    ///   - timeout: seconds after which the child is killed; 0 waits for ever.
    ///   - answer: fills the buffer and returns the bytes that it has written.
    /// - Returns: nil if the child ended, or was killed, without an answer.
    package static func ask(
        _ hooks: ForkHooks, as user: Credentials? = nil, timeout: Double,
        _ answer: (UnsafeMutableRawBufferPointer) -> Int
    ) throws(SystemError) -> [UInt8]? {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { throw SystemError("pipe") }
        // Programs that the app starts must not hold the pipe open.
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        let parent = getpid()
        let child: Int32?
        do throws(SystemError) {
            child = try hooks.fork()
        } catch {
            for end in ends { close(end) }
            throw error
        }
        guard let child else {
            Fork.endWithParent(parent)
            hooks.inChild()
            close(ends[0])
            if let user, (try? user.takeOn()) == nil { _exit(1) }
            if user != nil { Fork.endWithParent(parent) }
            reply(to: ends[1], answer)
            _exit(0)
        }
        close(ends[1])
        let bytes = receive(from: ends[0], timeout: timeout > 0 ? timeout : .infinity)
        close(ends[0])
        // The app may have started threads, or wait for something: the child is killed once it has answered.
        kill(child, SIGKILL)
        while waitpid(child, nil, 0) < 0, errno == EINTR {}
        return bytes
    }

    /// An answer ends with a NUL. The end of file is no sign of its end: it does not come while a process that the app
    /// has forked holds the pipe.
    private static func reply(to descriptor: Int32, _ answer: (UnsafeMutableRawBufferPointer) -> Int) {
        withUnsafeTemporaryAllocation(byteCount: capacity, alignment: 1) { buffer in
            let count = answer(UnsafeMutableRawBufferPointer(rebasing: buffer.dropLast()))
            guard count > 0 else { return }
            buffer[count] = 0
            _ = write(descriptor, buffer.baseAddress, count + 1)
        }
    }

    private static func receive(from descriptor: Int32, timeout: Double) -> [UInt8]? {
        let deadline = EventLoop.monotonicNow() + timeout
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: capacity)
        while bytes.last != 0 {
            let left = min(deadline - EventLoop.monotonicNow(), 3600)
            guard left > 0 else { return nil }
            var entry = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            guard poll(&entry, 1, Int32(left * 1000) + 1) > 0 else { continue }
            let count = read(descriptor, &buffer, capacity)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return nil }
            bytes += buffer[..<count]
        }
        return bytes.dropLast()
    }
}

// A log file. A write that fails, in part or in whole, is counted as lost; no failure of a log ends the process.
// The descriptor's number never changes: reopening puts the new file under the old number, so writers hold no lock.

import Glibc

/// An append-only log: a file opened with `O_APPEND`, or a standard stream of the process.
///
/// Several processes may append to one file; a line that is written with one call stays whole.
package final class LogFile {
    /// The path as given; `-` stands for the standard stream.
    package let path: String

    /// Writes that did not reach the log, in part or in whole (disk full, reader of the pipe gone).
    package private(set) var lostWrites = 0

    /// Stays the same number when the log is reopened.
    package let fileDescriptor: Int32
    private let ownsDescriptor: Bool
    /// A write was cut short: the next one starts on a line of its own.
    private var isTorn = false

    /// Opens `path` for appending and creates it (mode 0644 less the umask) when it is missing.
    ///
    /// - Parameters:
    ///   - path: a file, or `-` for the stream `standard`.
    ///   - standard: the descriptor that `-` stands for: `STDOUT_FILENO` or `STDERR_FILENO`.
    package init(path: String, standard: Int32) throws(SystemError) {
        self.path = path
        ownsDescriptor = path != "-"
        fileDescriptor = path == "-" ? standard : try Self.open(path)
    }

    deinit {
        if ownsDescriptor { _ = close(fileDescriptor) }
    }

    /// Opens the path again: after a log rotation, the new file is written. Does nothing for a standard stream.
    ///
    /// When the path cannot be opened the old file stays in use and the error is thrown.
    package func reopen() throws(SystemError) {
        guard ownsDescriptor else { return }
        let fresh = try Self.open(path)
        defer { _ = close(fresh) }
        guard dup2(fresh, fileDescriptor) >= 0 else { throw SystemError("dup2") }
        _ = fcntl(fileDescriptor, F_SETFD, FD_CLOEXEC)
        isTorn = false
    }

    /// Writes the bytes, normally whole lines. If they cannot be written in full, counts one lost write.
    package func write(_ bytes: UnsafeRawBufferPointer) {
        guard let start = bytes.baseAddress, !bytes.isEmpty else { return }
        if isTorn {
            guard Glibc.write(fileDescriptor, "\n", 1) == 1 else { return lostWrites += 1 }
            isTorn = false
        }
        var written = 0
        while written < bytes.count {
            let count = Glibc.write(fileDescriptor, start + written, bytes.count - written)
            if count > 0 {
                written += count
            } else if count < 0, errno == EINTR {
                continue
            } else if count < 0, errno == EAGAIN, waitUntilWritable() {
                continue
            } else {
                isTorn = written > 0
                return lostWrites += 1
            }
        }
    }

    /// Waits up to 20 ms for a terminal or pipe that another process made non-blocking. Returns true if it takes more.
    private func waitUntilWritable() -> Bool {
        var descriptor = pollfd(fd: fileDescriptor, events: Int16(POLLOUT), revents: 0)
        return poll(&descriptor, 1, 20) == 1 && descriptor.revents & Int16(POLLOUT) != 0
    }

    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let descriptor = Glibc.open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0o644)
        guard descriptor >= 0 else { throw SystemError("open") }
        return descriptor
    }
}

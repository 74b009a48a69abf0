// A log file, or a standard stream. Law: a write never waits. What a pipe or terminal does not take at once is kept up
// to a bound and tried again; what cannot be written is counted as lost; no failure of a log ends the process.
// The descriptor's number never changes: reopening puts the new file under the old number, so writers hold no lock.

import Glibc

/// An append-only log: a file opened with `O_APPEND`, a FIFO, or a standard stream of the process.
///
/// Several processes may append to one file; a line that is written with one call stays whole.
package final class LogFile {
    /// The path as given; `-` stands for the standard stream.
    package let path: String
    /// Lines that did not reach the log (disk full, reader of the pipe gone or stuck).
    package private(set) var lost = LostLines()
    /// Stays the same number when the log is reopened. For who must write without this object: whoever does, may wait.
    package let fileDescriptor: Int32
    private let ownsDescriptor: Bool
    /// How lines are written without waiting.
    private enum Way {
        /// A regular file takes what it is given.
        case file
        /// A description that nobody else writes through, and that does not wait.
        case nonBlocking(Int32)
        case socket
        /// A description that other processes share, so that it has to stay as it is: it is asked first.
        case shared
    }
    private var way: Way
    private var queue = LineQueue()
    /// A write was cut short: the next one starts on a line of its own.
    private var isTorn = false

    /// Opens `path` for appending and creates it (mode 0644 less the umask) when it is missing.
    ///
    /// - Parameters:
    ///   - path: a file, a FIFO whether somebody reads it or not, or `-` for the stream `standard`.
    ///   - standard: the descriptor that `-` stands for: `STDOUT_FILENO` or `STDERR_FILENO`.
    package init(path: String, standard: Int32) throws(SystemError) {
        self.path = path
        ownsDescriptor = path != "-"
        fileDescriptor = path == "-" ? standard : try Self.open(path)
        way = ownsDescriptor ? Self.way(of: fileDescriptor) : Self.way(ofStandard: standard)
    }

    deinit {
        if ownsDescriptor {
            _ = close(fileDescriptor)
        } else if case .nonBlocking(let own) = way {
            _ = close(own)
        }
    }

    /// All descriptors that must stay as they are while the log is in use.
    package var descriptors: [Int32] {
        if case .nonBlocking(let own) = way, own != fileDescriptor { return [fileDescriptor, own] }
        return [fileDescriptor]
    }

    /// Opens the path again: after a log rotation, the new file is written. Of a standard stream, what it is now is
    /// written, which a daemon has changed.
    ///
    /// When the path cannot be opened the old file stays in use and the error is thrown.
    package func reopen() throws(SystemError) {
        guard ownsDescriptor else { return followStandard() }
        let fresh = try Self.open(path)
        defer { _ = close(fresh) }
        retry()
        guard dup2(fresh, fileDescriptor) >= 0 else { throw SystemError("dup2") }
        _ = fcntl(fileDescriptor, F_SETFD, FD_CLOEXEC)
        way = Self.way(of: fileDescriptor)
        isTorn = false
        lost.add(queue.removeTornLine(), EAGAIN)
    }

    private func followStandard() {
        switch way {
        case .file where Self.kind(of: fileDescriptor) == S_IFREG,
            .socket where Self.kind(of: fileDescriptor) == S_IFSOCK:
            return
        case .nonBlocking(let own):
            guard DescriptorIdentity(of: own) != DescriptorIdentity(of: fileDescriptor) else { return }
            retry()
            guard case .nonBlocking(let fresh) = Self.way(ofStandard: fileDescriptor) else { return }
            _ = dup2(fresh, own)
            _ = fcntl(own, F_SETFD, FD_CLOEXEC)
            _ = close(fresh)
        case .file, .socket, .shared: way = Self.way(ofStandard: fileDescriptor)
        }
    }

    /// Writes the bytes, whole lines. Returns at once.
    package func write(_ lines: UnsafeRawBufferPointer) {
        guard !lines.isEmpty else { return }
        if case .file = way { return writeToFile(lines) }
        // Behind what waits already; the end of a turn is when it is tried again.
        if !queue.isEmpty { retry() }
        var rest = lines
        while queue.isEmpty, !rest.isEmpty {
            let count = attempt(rest.firstLines(within: LineQueue.piece))
            if count == -Int(EAGAIN) { break }
            guard count > 0 else { return lost.add(rest.lineCount, Int32(-count)) }
            queue.took(rest[count - 1])
            rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        }
        lost.add(queue.append(rest), EAGAIN)
    }

    /// Tries again what waits. Returns true if nothing does any more.
    @discardableResult
    package func retry() -> Bool {
        guard !queue.isEmpty else { return true }
        let error = queue.drain(attempt)
        if error < 0, error != -Int(EAGAIN) { lost.add(queue.removeAll(), Int32(-error)) }
        return queue.isEmpty
    }

    /// What is to become writable before something that waits can be written; nil if nothing waits.
    package var waitingDescriptor: Int32? {
        guard !queue.isEmpty else { return nil }
        if case .nonBlocking(let own) = way { return own }
        return fileDescriptor
    }

    /// Waits up to `seconds` for what has not been taken yet; what remains is lost. For the end of a process.
    package func finish(seconds: Double) {
        let end = EventLoop.monotonicNow() + seconds
        while !retry() {
            var descriptor = pollfd(fd: fileDescriptor, events: Int16(POLLOUT), revents: 0)
            let left = end - EventLoop.monotonicNow()
            guard left > 0, poll(&descriptor, 1, Int32(left * 1000) + 1) != 0 else { break }
        }
        lost.add(queue.removeAll(), EAGAIN)
    }

    /// In a forked child: what waits is the parent's to write.
    package func forget() {
        _ = queue.removeAll()
        lost = LostLines()
    }

    /// Writes what `note` says of the lines that were lost, if there are any and the log takes lines again.
    package func noteLost(_ note: (LostLines) -> [UInt8]) {
        guard lost.count > 0, queue.isEmpty else { return }
        let former = lost.take()
        note(former).withUnsafeBytes { write($0) }
        if lost.count > 0 { lost = former }
    }

    /// Writes through the number that everybody knows from now on: what this object has opened besides may have been
    /// closed by somebody else, and its number may be a client's now.
    package func leaveOwnDescriptor() {
        if case .nonBlocking(let own) = way, own != fileDescriptor { way = .shared }
    }

    /// How many lines were lost since it was opened, or a child was forked.
    package var lostEver: Int { lost.ever }

    /// Returns how many lines were lost since the last call.
    package func takeLost() -> LostLines { lost.take() }

    // MARK: one write

    private func writeToFile(_ lines: UnsafeRawBufferPointer) {
        if isTorn {
            guard Glibc.write(fileDescriptor, "\n", 1) == 1 else { return lost.add(lines.lineCount, errno) }
            isTorn = false
        }
        var rest = lines
        while !rest.isEmpty {
            let count = Glibc.write(fileDescriptor, rest.baseAddress, rest.count)
            if count > 0 {
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            } else if count < 0, errno == EINTR {
                continue
            } else {
                isTorn = rest.count < lines.count && lines[lines.count - rest.count - 1] != UInt8(ascii: "\n")
                return lost.add(rest.lineCount, count < 0 ? errno : ENOSPC)
            }
        }
    }

    /// Returns how many bytes were taken, or a negated `errno`.
    private func attempt(_ bytes: UnsafeRawBufferPointer) -> Int {
        while true {
            let count: Int
            switch way {
            case .file: count = Glibc.write(fileDescriptor, bytes.baseAddress, bytes.count)
            case .nonBlocking(let own): count = Glibc.write(own, bytes.baseAddress, bytes.count)
            case .socket:
                count = send(fileDescriptor, bytes.baseAddress, bytes.count, Int32(MSG_DONTWAIT) | Int32(MSG_NOSIGNAL))
            case .shared:
                // As many bytes as a pipe takes that is writable. Only a sibling that fills it in between can make
                // this wait, until the next read.
                var descriptor = pollfd(fd: fileDescriptor, events: Int16(POLLOUT), revents: 0)
                guard poll(&descriptor, 1, 0) == 1 else { return -Int(EAGAIN) }
                count = Glibc.write(fileDescriptor, bytes.baseAddress, bytes.count)
            }
            if count > 0 { return count }
            guard count < 0 else { return -Int(EIO) }
            if errno != EINTR { return -Int(errno) }
        }
    }

    // MARK: opening

    /// Not waiting for the reader of a FIFO, which is opened for reading, too: it can then be written before anybody
    /// reads, and its reader may come and go.
    private static func open(_ path: String) throws(SystemError) -> Int32 {
        let flags = O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
        var descriptor = Glibc.open(path, O_WRONLY | O_CREAT | flags, 0o644)
        if descriptor < 0 ? errno == ENXIO : kind(of: descriptor) == S_IFIFO {
            let both = Glibc.open(path, O_RDWR | flags)
            if both >= 0 {
                if descriptor >= 0 { _ = close(descriptor) }
                descriptor = both
            }
        }
        guard descriptor >= 0 else { throw SystemError("open") }
        return descriptor
    }

    private static func way(of descriptor: Int32) -> Way {
        kind(of: descriptor) == S_IFREG ? .file : .nonBlocking(descriptor)
    }

    /// The description of a standard stream is that of other processes too, and O_NONBLOCK would be theirs as well. A
    /// pipe or terminal is opened anew, which /proc allows if the file's mode does.
    private static func way(ofStandard descriptor: Int32) -> Way {
        switch kind(of: descriptor) {
        case S_IFREG: return .file
        case S_IFSOCK: return .socket
        default: break
        }
        let own = Glibc.open(
            "/proc/self/fd/\(descriptor)", O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK)
        return own >= 0 ? .nonBlocking(own) : .shared
    }

    private static func kind(of descriptor: Int32) -> mode_t {
        var status = stat()
        return fstat(descriptor, &status) == 0 ? status.st_mode & S_IFMT : 0
    }
}

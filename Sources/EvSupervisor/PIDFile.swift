// The file with the master's process id, for init scripts. It is never visible half written, and the file of another
// running master is never replaced.
import Glibc

package struct PIDFile {
    package let path: String

    /// Writes this process's id.
    ///
    /// - Parameter former: the process that has had the file until now, and has ended; its parent may not know yet.
    /// - Throws: when the file names another process that lives, or cannot be written.
    package init(claiming path: String, after former: Int32? = nil) throws(SupervisorError) {
        self.path = path
        // In a container a restarted master often has the id that its predecessor left in the file.
        if let other = Self.read(path), other != getpid(), other != former, kill(other, 0) == 0 || errno == EPERM {
            throw SupervisorError("The pid file \(path) names process \(other), which is running")
        }
        var template = Array("\(path).XXXXXX".utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw Self.failure(path) }
        defer { close(descriptor) }
        let text = "\(getpid())\n"
        // rename(2) is atomic: a reader sees the old file or the new one.
        guard fchmod(descriptor, 0o644) == 0,
            text.withCString({ write(descriptor, $0, strlen($0)) }) == text.utf8.count,
            rename(template, path) == 0
        else {
            let failure = Self.failure(path)
            unlink(template)
            throw failure
        }
    }

    /// Removes the file if it still names this process.
    ///
    /// - Parameter other: another path, which may lead to the same file; that file stays.
    package func remove(sparing other: PIDFile? = nil) {
        guard Self.read(path) == getpid(), !isSame(as: other) else { return }
        unlink(path)
    }

    private func isSame(as other: PIDFile?) -> Bool {
        guard let other else { return false }
        var (own, others) = (stat(), stat())
        return lstat(path, &own) == 0 && lstat(other.path, &others) == 0
            && own.st_dev == others.st_dev && own.st_ino == others.st_ino
    }

    /// The id in the file; nil when there is no file, or no id in it.
    private static func read(_ path: String) -> Int32? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 32, alignment: 1) { bytes in
            let count = Glibc.read(descriptor, bytes.baseAddress, bytes.count)
            guard count > 0 else { return nil }
            let digits = bytes[..<count].prefix { ($0 >= 0x30) && ($0 <= 0x39) }
            guard let pid = Int32(String(decoding: digits, as: UTF8.self)), pid > 0 else { return nil }
            return pid
        }
    }

    private static func failure(_ path: String) -> SupervisorError {
        SupervisorError("Cannot write the pid file \(path): \(String(cString: strerror(errno)))")
    }
}

// Files that a process of root opens, and another user is to open again.
import Glibc

extension Credentials {
    /// Whether this user may write to a file of such an owner and mode.
    func mayWrite(to status: stat) -> Bool {
        let mode = status.st_mode
        if user == 0 { return true }
        if status.st_uid == user { return mode & 0o200 != 0 }
        if status.st_gid == group || groups.contains(status.st_gid) { return mode & 0o020 != 0 }
        return mode & 0o002 != 0
    }

    /// Gives the file to this user, who is to open it again later, unless he may write to it as it is. What is no
    /// regular file is left alone.
    ///
    /// A link is not followed, symbolic or hard: whoever may write to the folder could have put it there, to a file
    /// that is not his.
    package func own(_ path: String) throws(SystemError) {
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, !mayWrite(to: status) else { return }
        let file = open(path, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard file >= 0 else { throw SystemError("open \(path)") }
        defer { close(file) }
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink == 1 else {
            throw SystemError("open \(path)", errno: EMLINK)
        }
        guard fchown(file, user, group) == 0 else { throw SystemError("chown \(path)") }
    }
}

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

    /// Gives the file to this user, who is to open it again later, unless he may write to it as it is.
    ///
    /// A link is left alone, symbolic or hard: whoever may write to the folder could have put it there, to a file that
    /// is not his.
    ///
    /// - Parameters:
    ///   - descriptor: the file, open.
    ///   - path: where it has been opened.
    package func own(_ descriptor: Int32, at path: String) throws(SystemError) {
        var (opened, named) = (stat(), stat())
        guard fstat(descriptor, &opened) == 0, opened.st_mode & S_IFMT == S_IFREG, !mayWrite(to: opened) else { return }
        guard lstat(path, &named) == 0, named.st_ino == opened.st_ino, named.st_dev == opened.st_dev,
            opened.st_nlink == 1
        else { throw SystemError("own \(path)", errno: ELOOP) }
        guard fchown(descriptor, user, group) == 0 else { throw SystemError("chown \(path)") }
    }
}

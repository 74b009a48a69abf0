// What the gateway cannot run without: the kernel's word on its own process. A Swift program has its arguments from
// there, the launcher its folder, and a worker its loop's descriptors and the master's threads.

import EvSettings
import Glibc

enum ProcFileSystem {
    /// Fails when /proc is not mounted, or is that of another PID namespace, where `self` leads nowhere.
    static func require(at root: String = "/proc") throws(ConfigurationError) {
        guard access("\(root)/self/fd", R_OK | X_OK) != 0 else { return }
        let why = String(cString: strerror(errno))
        throw ConfigurationError(
            reason: "/proc is needed, and \(root)/self/fd cannot be read (\(why)): in a chroot, mount it with "
                + "'mount -t proc proc /proc'")
    }
}

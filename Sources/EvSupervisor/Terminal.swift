// Whether somebody's terminal can send signals to this process by itself.
import Glibc

enum Terminal {
    /// Whether the process belongs to a session with a terminal (credentials(7)).
    static var controlsThisProcess: Bool {
        let descriptor = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { return false }
        close(descriptor)
        return true
    }
}

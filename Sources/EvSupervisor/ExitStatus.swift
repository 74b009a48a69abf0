// What waitpid(2) and signal numbers mean.
import Glibc

/// How a child process ended.
package enum ExitStatus: Equatable {
    case exited(code: Int32)
    case signaled(number: Int32, dumpedCore: Bool)

    /// Reads the status of waitpid(2), as the W... macros of wait.h do, which Swift does not see.
    package init(waitStatus: Int32) {
        let signal = waitStatus & 0x7f
        if signal == 0 {
            self = .exited(code: (waitStatus >> 8) & 0xff)
        } else {
            self = .signaled(number: signal, dumpedCore: waitStatus & 0x80 != 0)
        }
    }
}

extension ExitStatus: CustomStringConvertible {
    /// The end of a sentence that begins with "the worker".
    package var description: String {
        switch self {
        case .exited(let code): "exited with code \(code)"
        case .signaled(let number, let dumpedCore):
            "was killed by \(signalName(number))\(dumpedCore ? " (core dumped)" : "")"
        }
    }
}

/// `SIGTERM` for 15, and so on.
func signalName(_ number: Int32) -> String {
    switch number {
    case SIGHUP: "SIGHUP"
    case SIGINT: "SIGINT"
    case SIGQUIT: "SIGQUIT"
    case SIGILL: "SIGILL"
    case SIGTRAP: "SIGTRAP"
    case SIGABRT: "SIGABRT"
    case SIGBUS: "SIGBUS"
    case SIGFPE: "SIGFPE"
    case SIGKILL: "SIGKILL"
    case SIGUSR1: "SIGUSR1"
    case SIGSEGV: "SIGSEGV"
    case SIGUSR2: "SIGUSR2"
    case SIGPIPE: "SIGPIPE"
    case SIGALRM: "SIGALRM"
    case SIGTERM: "SIGTERM"
    case SIGTTIN: "SIGTTIN"
    case SIGTTOU: "SIGTTOU"
    case SIGWINCH: "SIGWINCH"
    case SIGXCPU: "SIGXCPU"
    case SIGXFSZ: "SIGXFSZ"
    case SIGSYS: "SIGSYS"
    default: "signal \(number)"
    }
}

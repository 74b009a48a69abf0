// The terminal of the live view: keys come at once and unseen, the screen is another one, and whatever ends the program
// gives the former one back. Law: what a signal's handler calls is safe in one (signal-safety(7)).

import EvLoop
import Glibc

final class WatchTerminal {
    /// Where keys come from.
    let input: Int32
    private let ownsInput: Bool

    /// What is to be restored; for handlers of signals, which have no object.
    private nonisolated(unsafe) static var former = termios()
    private nonisolated(unsafe) static var formerInput: Int32 = -1
    private nonisolated(unsafe) static var signalPipe: Int32 = -1

    /// - Returns: nil if nobody can press a key.
    init?() {
        if isatty(STDIN_FILENO) == 1 {
            input = STDIN_FILENO
            ownsInput = false
        } else {
            input = open("/dev/tty", O_RDWR | O_CLOEXEC)
            ownsInput = true
            if input < 0 { return nil }
        }
    }

    deinit {
        leave()
        if ownsInput { close(input) }
    }

    // MARK: the screen

    /// Another screen, with keys read one by one. To be called again after the program slept.
    func enter() {
        if Self.formerInput < 0 {
            guard tcgetattr(input, &Self.former) == 0 else { return }
            Self.formerInput = input
        }
        var mode = Self.former
        // Ctrl-C and Ctrl-Z stay signals, for all of the pipeline.
        mode.c_lflag &= ~tcflag_t(ICANON | ECHO | IEXTEN)
        mode.c_iflag &= ~tcflag_t(IXON | ICRNL)
        withUnsafeMutableBytes(of: &mode.c_cc) { characters in
            characters[Int(VMIN)] = 1
            characters[Int(VTIME)] = 0
        }
        tcsetattr(input, TCSADRAIN, &mode)
        _ = Output.write(Array("\u{1b}[?1049h\u{1b}[?25l\u{1b}[2J".utf8))
    }

    func leave() { Self.restore() }

    private static func restore() {
        guard formerInput >= 0 else { return }
        let text: StaticString = "\u{1b}[0m\u{1b}[?25h\u{1b}[?1049l"
        _ = write(STDOUT_FILENO, text.utf8Start, text.utf8CodeUnitCount)
        tcsetattr(formerInput, TCSANOW, &former)
        formerInput = -1
    }

    // MARK: signals

    /// Ends the wait of the loop.
    private static let noted = [SIGWINCH, SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP, SIGCONT]
    /// Of a program that goes wrong.
    private static let fatal = [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE]

    /// A descriptor from which the numbers of signals are read; nil if there is none left.
    func catchSignals() -> Int32? {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends {
            _ = fcntl(end, F_SETFD, FD_CLOEXEC)
            _ = Socket.setNonBlocking(end)
        }
        Self.signalPipe = ends[1]
        for number in Self.noted { signal(number, Self.note) }
        for number in Self.fatal {
            signal(number) { number in
                WatchTerminal.restore()
                signal(number, SIG_DFL)
                raise(number)
            }
        }
        return ends[0]
    }

    private static let note: @convention(c) (Int32) -> Void = { number in
        let saved = errno
        var byte = UInt8(truncatingIfNeeded: number)
        _ = write(WatchTerminal.signalPipe, &byte, 1)
        errno = saved
    }

    /// Lets a signal do what it does without a handler. Returns if the program goes on after it, as after SIGTSTP.
    func yield(to number: Int32) {
        leave()
        signal(number, SIG_DFL)
        raise(number)
        signal(number, Self.note)
    }
}

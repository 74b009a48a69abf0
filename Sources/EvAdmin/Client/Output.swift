// Standard output: whether it is a terminal, how wide, and what may be written to it.

import EvLoop
import Glibc

package struct Output: Sendable {
    /// Whether a screen can be drawn on it.
    let isScreen: Bool
    let isTerminal: Bool
    private let hasColours: Bool
    private let columnsGiven: Int?

    /// - Parameter environment: for TERM, NO_COLOR and COLUMNS.
    package init(_ environment: (_ name: String) -> String?) {
        let kind = environment("TERM") ?? ""
        isTerminal = isatty(STDOUT_FILENO) == 1
        isScreen = isTerminal && !kind.isEmpty && kind != "dumb"
        // no-color.org: what counts is that it is there and not empty.
        hasColours = isScreen && environment("NO_COLOR") ?? "" == ""
        columnsGiven = environment("COLUMNS").flatMap { Int($0) }.flatMap { (1...10_000).contains($0) ? $0 : nil }
    }

    /// For lines that stay: nothing but text where colours are not wanted.
    var ink: Line.Ink { hasColours ? .colours : .none }
    /// For a screen, where something must tell the chosen row.
    var screenInk: Line.Ink { hasColours ? .colours : .attributes }

    /// The columns that lines are cut to; nil where the output is no terminal.
    var width: Int? { isTerminal ? columnsGiven ?? Self.size()?.columns ?? 80 : nil }

    /// Of the terminal now; nil where there is none, or it does not know.
    static func size() -> (columns: Int, rows: Int)? {
        var size = winsize()
        guard ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0, size.ws_row > 0 else { return nil }
        return (Int(size.ws_col), Int(size.ws_row))
    }

    /// Returns false when nobody reads any more, which is no error to tell.
    func write(_ lines: [Line]) -> Bool {
        var bytes: [UInt8] = []
        for line in lines { bytes += line.bytes(ink) + [0x0a] }
        return Self.write(bytes)
    }

    /// Waits until a time of the monotonic clock. Returns false at once when nobody reads any more.
    static func waits(until time: Double) -> Bool {
        while true {
            let seconds = time - EventLoop.monotonicNow()
            guard seconds > 0 else { return true }
            // The end of a pipe's reader is told without being asked for.
            var entry = pollfd(fd: STDOUT_FILENO, events: 0, revents: 0)
            if poll(&entry, 1, Int32((seconds * 1000).rounded(.up))) > 0 { return false }
        }
    }

    static func write(_ bytes: [UInt8], to descriptor: Int32 = STDOUT_FILENO) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count > 0 {
                rest.removeFirst(count)
            } else if errno == EAGAIN {
                // Somebody who shares the terminal has made it non-blocking.
                guard Socket.waitBlocking(descriptor, for: .write, seconds: 60) else { return false }
            } else if errno != EINTR {
                return false
            }
        }
        return true
    }
}

// The title of the process: what ps(1) shows in place of the command line.
import CEvLoop
import Glibc

package enum ProcessTitle {
    /// The name of the program for top(1) and pgrep(1), which have room for 15 bytes.
    private static let name = "evgateway"

    /// The words of the command line that the process was executed with, which the title takes the place of.
    package static let commandLine: [String] = {
        let file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC)
        guard file >= 0 else { return [] }
        defer { close(file) }
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = read(file, &buffer, buffer.count)
            guard count > 0 else { break }
            bytes += buffer[..<count]
        }
        // Each word ends with a NUL, also the last one.
        return bytes.dropLast().split(separator: 0, omittingEmptySubsequences: false).map {
            String(decoding: $0, as: UTF8.self)
        }
    }()

    /// Sets the title. Where that is not possible the command line goes on being shown.
    package static func set(_ title: String) {
        _ = commandLine
        // What Swift knows of the arguments it reads when it is asked for the first time.
        _ = CommandLine.arguments
        _ = evg_set_title(title, name)
    }
}

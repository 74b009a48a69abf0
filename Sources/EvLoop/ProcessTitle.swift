// The title of the process: what ps(1) shows in place of the command line.
import CEvLoop
import Glibc

package enum ProcessTitle {
    /// The name of the program for top(1) and pgrep(1), which have room for 15 bytes.
    private static let name = "evgateway"

    /// Sets the title. Where that is not possible the command line goes on being shown.
    package static func set(_ title: String) {
        // What Swift knows of the arguments it reads when it is asked for the first time.
        _ = CommandLine.arguments
        _ = evg_set_title(title, name)
    }
}

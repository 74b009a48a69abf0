// `--capture-output`: what an app prints goes to the file of the error log. Law: standard output and standard error get
// the log's open file, as other descriptors of it; where they led before is kept, so that a reload can take it back.

import EvSettings
import Glibc

struct OutputCapture {
    private var isWanted: Bool
    /// Where both streams led; empty while nothing is redirected.
    private var former: [Int32] = []

    init(_ configuration: GatewayConfiguration) { isWanted = Self.isWanted(configuration) }

    mutating func change(to configuration: GatewayConfiguration) {
        isWanted = Self.isWanted(configuration)
        guard !isWanted, !former.isEmpty else { return }
        for (stream, descriptor) in zip([STDOUT_FILENO, STDERR_FILENO], former) {
            _ = dup2(descriptor, stream)
            close(descriptor)
        }
        former = []
    }

    /// Leads the streams to the file, which may have been opened anew under the same number.
    mutating func redirect(to file: Int32) {
        guard isWanted else { return }
        if former.isEmpty {
            former = [STDOUT_FILENO, STDERR_FILENO].map { fcntl($0, F_DUPFD_CLOEXEC, 3) }
        }
        for stream in [STDOUT_FILENO, STDERR_FILENO] { _ = dup2(file, stream) }
    }

    /// A log on standard error would lead to itself.
    private static func isWanted(_ configuration: GatewayConfiguration) -> Bool {
        configuration.capturesOutput && configuration.errorLogFile != "-"
    }
}

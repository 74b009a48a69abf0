// What the admin process asks of the master. A command begins between two events; what it comes to is told when it is
// known, step by step.
import EvLoop
import Glibc

/// The commands that have begun and have not ended.
struct MasterCommands {
    private(set) var running: [AdminRequest] = []

    /// Something has happened that a command may have waited for.
    mutating func notice(_ notice: Notice) {}
}

extension Supervisor {
    func enqueue(_ request: AdminRequest) {
        requests.append(request)
        loop?.stop()
    }

    func obeyRequests() {
        let due = requests
        requests = []
        for request in due { obey(request) }
    }

    private func obey(_ request: AdminRequest) {
        switch request.command {
        case .reopenLogs:
            feed(.signal(SIGUSR1))
            tellAdmin(.done(command: request.number, succeeded: true, "The logs have been opened again"))
        case .stacks(let pid):
            collectStacks(of: pid, all: false) { [self] text in tell(request.number, stacks: text) }
        default:
            tellAdmin(.done(command: request.number, succeeded: false, "This command is not known"))
        }
    }

    /// In steps that fit into packets, of whole lines.
    private func tell(_ command: UInt64, stacks: String) {
        var step = ""
        for line in stacks.split(separator: "\n", omittingEmptySubsequences: false) {
            if step.utf8.count + line.utf8.count > Self.longestStep {
                tellAdmin(.progress(command: command, step))
                step = ""
            }
            step += line.prefix(Self.longestStep) + "\n"
        }
        let isThere = !stacks.isEmpty
        if isThere { tellAdmin(.progress(command: command, step)) }
        tellAdmin(.done(command: command, succeeded: isThere, isThere ? "" : "There are no stacks to be had"))
    }

    private static let longestStep = 8192
}

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
        default:
            tellAdmin(.done(command: request.number, succeeded: false, "This command is not known"))
        }
    }
}

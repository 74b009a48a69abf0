// Signals that come before the master listens to them, while it reads its settings and looks at the app: their default
// would end it. They are noted, and handled as soon as it listens. Programs that the app starts meanwhile have the
// default, as exec(3) gives up handlers.

import Glibc
import Synchronization

package enum EarlySignals {
    /// Those that do not end the master.
    private static let kept: [Int32] = [SIGHUP, SIGTTIN, SIGTTOU, SIGUSR1, SIGUSR2]

    /// A bit for each.
    private static let noted = Atomic<UInt64>(0)

    /// Begins to note. To be called first, in the master's only thread.
    package static func note() {
        noted.store(0, ordering: .relaxed)
        for number in kept {
            signal(number) { number in
                EarlySignals.noted.bitwiseOr(1 << UInt64(number), ordering: .relaxed)
            }
        }
    }

    /// Those that have come, each once, when others have taken the handlers over.
    static func take() -> [Int32] {
        let bits = noted.exchange(0, ordering: .relaxed)
        return kept.filter { bits & 1 << UInt64($0) != 0 }
    }
}

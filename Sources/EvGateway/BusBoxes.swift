// What the callbacks of the bus share with the loop's thread.

import EvHost
import Synchronization

/// Messages that a stream had no room for.
final class MissedCount: Sendable {
    private let count = Mutex(0)

    func add(_ number: Int) { count.withLock { $0 += number } }

    func take() -> Int {
        count.withLock { count in
            defer { count = 0 }
            return count
        }
    }
}

/// An inbox that its own callback looks into.
final class InboxBox: Sendable {
    private let held = Mutex<AppInbox?>(nil)

    var inbox: AppInbox? {
        get { held.withLock { $0 } }
        set { held.withLock { $0 = newValue } }
    }
}

// Subscriptions that another thread has asked for and the loop has not made yet. Their channels are wanted from the
// call on: whoever learns of it and publishes, in another process, is heard. Law: a bit of the filter that a promise
// needs is not taken away before the promise is kept.

import Synchronization

final class BusPromises: Sendable {
    private struct State {
        /// How many are not kept yet.
        var open = 0
        /// Buckets that nobody here wanted meanwhile, as far as the loop knew.
        var unwanted: Set<UInt32> = []
    }

    private let state = Mutex(State())

    /// On any thread.
    func add(_ bucket: UInt32, _ seat: BusSeat) {
        state.withLock {
            $0.open += 1
            seat.ground.want(seat.place, bucket)
        }
    }

    /// The subscription has been made, or never will be.
    ///
    /// - Parameter unwant: called for each bucket that may be unwanted now.
    func keep(_ unwant: (UInt32) -> Void) {
        state.withLock {
            $0.open -= 1
            guard $0.open == 0 else { return }
            for bucket in $0.unwanted { unwant(bucket) }
            $0.unwanted = []
        }
    }

    /// Nobody wants this bucket any more: calls now, or when all promises are kept.
    func unwant(_ bucket: UInt32, _ unwant: (UInt32) -> Void) {
        state.withLock {
            if $0.open > 0 { $0.unwanted.insert(bucket) } else { unwant(bucket) }
        }
    }

    /// Calls if there is no promise now. Returns whether it has.
    func ifNone(_ change: () -> Void) -> Bool {
        state.withLock {
            guard $0.open == 0 else { return false }
            change()
            return true
        }
    }
}

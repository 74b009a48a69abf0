// What the code of an app publishes, from any thread of a worker. Law: the caller never waits; the loop's thread alone
// touches the bus.

import EvLoop
package import GRIP
import Synchronization

package enum Publishing {
    /// Gives a message to the bus.
    package typealias Send = @LoopActor @Sendable (_ channel: [UInt8], _ payload: [UInt8]) -> Void

    /// A closure in a struct stays as it is; as a generic value it would get another wrapper with each look at it.
    private struct Way { let send: Send }
    private static let way = Mutex<Way?>(nil)

    /// In a worker, before its app is loaded, and with nil when it ends.
    static func begin(_ send: Send?) { way.withLock { $0 = send.map { Way(send: $0) } } }

    /// Publishes an item, now if the caller runs on the loop's thread, else in the loop's next turn. What one thread
    /// publishes keeps its order.
    ///
    /// - Returns: false in a process that is no worker.
    package static func publish(_ item: Item) throws(GRIPError) -> Bool {
        guard let way = way.withLock({ $0 }) else { return false }
        let (channel, payload) = try item.packed()
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { way.send(channel, payload) } }
        return true
    }
}

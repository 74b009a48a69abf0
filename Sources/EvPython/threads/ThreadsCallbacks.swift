// What the pool's threads ask of Swift, on their own thread. Law: nothing here touches an exchange.

import CPythonBridge
import CThreadPool
import EvLoop
import EvServer
import Logging

/// Makes the loop collect what the threads have to say, before it waits again.
@_cdecl("evg_swift_threads_wake")
public func wakeForAnswers() {
    LoopExecutor.shared.submit {}
}

extension ThreadsApplication {
    /// The requests whose app a thread calls now.
    static var served: [Exchange] {
        var found: [Exchange] = []
        withUnsafeMutablePointer(to: &found) { list in
            evg_py_threads_visit(
                { context, exchange in
                    guard let exchange else { return }
                    context?.assumingMemoryBound(to: [Exchange].self).pointee.append(Exchange.borrowed(exchange))
                }, list)
        }
        return found
    }

    /// No further request is begun. What still runs is left to itself: it ends with the process.
    func stop() {
        evg_pool_stop(pool)
        let state = evg_pool_now(pool)
        if state.busy > 0 {
            logger.warning(
                "The worker leaves threads behind that are still busy", metadata: ["threads": "\(state.busy)"])
        }
    }
}

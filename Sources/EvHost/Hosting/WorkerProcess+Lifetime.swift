// What ends the life of a worker that is well: enough requests, enough time, too much memory. It asks for a successor
// and serves until that is ready; the master replaces one worker at a time.

import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Glibc
import Logging

extension WorkerProcess {
    func limitLife(of worker: Worker) {
        worker.onMaxRequests = { [unowned self] in
            LoopActor.assumeIsolated {
                self.endLife(
                    .hasServed, "Autorestarting worker after current request. It has served its --max-requests")
            }
        }
        limitTime()
        limitMemory()
    }

    private func endLife(_ message: ControlMessage, _ reason: String) {
        logger.info("\(reason) (pid: \(getpid()))")
        askForSuccessor(message)
    }

    private func limitTime() {
        guard configuration.maxWorkerLifetime > 0 else { return }
        let jitter = configuration.maxWorkerLifetimeJitter
        let seconds = configuration.maxWorkerLifetime + (jitter > 0 ? Double.random(in: 0...jitter) : 0)
        let timer = TimerWatcher(loop) { [unowned self] in
            LoopActor.assumeIsolated {
                self.endLife(.hasLived, "Autorestarting worker. It has lived for its --max-worker-lifetime")
            }
        }
        lifetime = timer
        timer.start(after: seconds)
    }

    private func limitMemory() {
        let limit = configuration.maxWorkerRSS
        guard limit > 0 else { return }
        if let resident = ProcessMemory.resident(), resident >= limit {
            // Its successors would be as large, and would follow each other for ever.
            logger.warning(
                """
                --max-worker-rss has no effect on this worker: it has \(Self.megabytes(resident)) MB before its first \
                request, and \(Self.megabytes(limit)) MB is the limit (pid: \(getpid()))
                """)
            return
        }
        memoryLimit = limit
    }

    /// Once a second.
    func checkMemory() {
        guard let limit = memoryLimit, let resident = ProcessMemory.resident(), resident >= limit else { return }
        memoryLimit = nil
        endLife(.isLarge, "Autorestarting worker. Its \(Self.megabytes(resident)) MB are above --max-worker-rss")
    }

    private static func megabytes(_ bytes: Int) -> Int { bytes >> 20 }
}

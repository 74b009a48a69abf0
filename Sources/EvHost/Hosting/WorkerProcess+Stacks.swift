// What the worker's code does now: for whoever asks, and in the log for requests that take too long.

import EvLoop
import EvServer
import EvSettings
import Glibc
import Logging

extension WorkerProcess {
    /// Finds out what code runs and waits here, and for which requests. Requests that are in no stack come last, with
    /// what they wait for.
    ///
    /// - Parameter deliver: called once; not at all while code of the app holds its language's lock.
    func collectStacks(_ deliver: @escaping @LoopActor (CodeStacks) -> Void) {
        host.collectStacks(of: nil) { [self] found in
            var found = found
            let served = Set(found.stacks.compactMap(\.exchange))
            for exchange in worker?.runningExchanges ?? [] where !served.contains(exchange.identity) {
                guard found.stacks.count < Self.mostStacks else {
                    found.leftOut += 1
                    continue
                }
                found.stacks.append(
                    CodeStack(kind: .request, request: RequestSummary(exchange), exchange: exchange.identity))
            }
            deliver(found)
        }
    }

    private static let mostStacks = 1000

    // MARK: `--slow-request`

    func watchSlowRequests(of worker: Worker) {
        guard configuration.slowRequest > 0 else { return }
        slowRequests = SlowRequests(worker, limit: configuration.slowRequest) { [unowned self] slow, more in
            tell(of: slow, more)
        }
    }

    private func tell(of slow: [Exchange], _ more: Int) {
        host.collectStacks(of: slow) { [self] found in
            for exchange in slow {
                let stack = found.stacks.first { $0.exchange == exchange.identity }
                let summary = stack?.request ?? RequestSummary(exchange)
                logger.warning("A request is slow: \(summary.text) (pid: \(getpid()))")
                guard let stack, !stack.frames.isEmpty else { continue }
                let heading = "Stack of its \(stack.kind.rawValue) (most recent call last):\n"
                logs.write(heading + stack.text, level: .warning)
            }
            if more > 0 { logger.warning("\(more) more requests are as slow (pid: \(getpid()))") }
        }
    }
}

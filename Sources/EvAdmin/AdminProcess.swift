// The admin process from fork to exit: a worker of its own kind, whose app is the server itself. It ends when its
// channel to the master does, and never before.

import EvBus
package import EvLoop
import EvServer
package import EvSupervisor
import Glibc
package import Logging

@LoopActor
package final class AdminProcess {
    private let loop: EventLoop
    private let logger: Logger
    private let link: ServerLink
    private let worker: Worker
    private let redis: RedisLink?
    private let reopenLogs: () -> Void
    private var signals: [SignalWatcher] = []

    /// Connections at once: people, and what measures the server.
    private static let connections = 512

    /// Runs the process to its end and returns its exit code.
    ///
    /// - Parameter reopenLogs: called for USR1, as in every process of the server.
    package nonisolated static func run(
        _ context: AdminContext, _ settings: AdminSettings, logger: Logger, reopenLogs: @escaping @Sendable () -> Void
    ) -> Int32 {
        do {
            let loop = try EventLoop()
            LoopExecutor.shared.bind(to: loop)
            return LoopActor.assumeIsolated { AdminProcess(context, settings, loop, logger, reopenLogs).run() }
        } catch {
            logger.error("The admin process cannot make its event loop", metadata: ["error": "\(error)"])
            return ExitCode.failure
        }
    }

    private init(
        _ context: AdminContext, _ settings: AdminSettings, _ loop: EventLoop, _ logger: Logger,
        _ reopenLogs: @escaping () -> Void
    ) {
        self.loop = loop
        self.reopenLogs = reopenLogs
        self.logger = logger
        link = ServerLink(context, loop)
        var configuration = ServerConfiguration()
        configuration.connections = Self.connections
        configuration.serverHeader = nil
        configuration.webSocket.isServed = false
        configuration.bodyLimit = UInt64(max(65_536, context.publishing.isEmpty ? 0 : settings.publishing.limit))
        let bus = Bus(loop, seat: context.bus)
        redis = settings.redis.map { RedisLink(bus, $0, isLate: context.isLate, logger) }
        link.bus = bus
        link.redis = redis
        worker = Worker(
            loop: loop, configuration: configuration, listeners: context.listeners + context.publishing,
            application: AdminApplication(link, settings, publishing: context.publishing) { bus.publish($0, $1) },
            slot: .local(), bus: bus, logger: logger)
    }

    private func run() -> Int32 {
        // The master says when it is time; who signals the whole group means the master.
        for number in WorkerContext.signals {
            let watcher = SignalWatcher(loop, signal: number) { [unowned self] in
                if number == SIGUSR1 { reopenLogs() }
            }
            watcher.start()
            signals.append(watcher)
        }
        Fork.unblock(WorkerContext.signals)
        // Whoever asks this process takes no processor away from a worker in the middle of a request.
        Processors.interruptNobody()
        worker.onFinished = { [unowned self] in self.loop.stop() }
        link.onEnd = { [unowned self] seconds in self.worker.drain(timeout: seconds) }
        worker.start()
        redis?.start()
        loop.run()
        redis?.stop()
        worker.bus.close()
        return ExitCode.success
    }
}

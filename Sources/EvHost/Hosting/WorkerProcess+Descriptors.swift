// An app that closes or replaces descriptors of the worker's own: the worker notices within a second, and ends at once,
// because the bytes of one client must not reach another.

import EvBus
import EvLoop
import EvSupervisor
import Glibc
import Logging

extension WorkerProcess {
    /// The worker that the loop's failure ends.
    private static var current: WorkerProcess?

    func watchDescriptors() {
        descriptors.remember(context.controlFileDescriptor, as: "the control socket")
        if let questions = context.questions { descriptors.remember(questions, as: "the admin process's socket") }
        if context.passing >= 0 { descriptors.remember(context.passing, as: "the workers' common wake") }
        for listener in context.listeners {
            descriptors.remember(listener.fileDescriptor, as: "the socket of \(listener)")
        }
        for socket in context.bus?.descriptors ?? [] { descriptors.remember(socket, as: "a socket of the bus") }
        rememberLogs()
        Self.current = self
        loop.onCheck = { [unowned self] in
            LoopActor.assumeIsolated {
                self.checkDescriptors()
                self.drain.look()
                self.reportLostLines(atOnce: false)
                self.checkMemory()
                self.reportConnections()
            }
        }
        EventLoop.onFailure { LoopActor.assumeIsolated { WorkerProcess.current?.checkDescriptors() } }
    }

    /// Standard streams are left out: apps may redirect them.
    func rememberLogs() {
        for log in logs.descriptors where log > 2 { descriptors.remember(log, as: "a log file") }
    }

    /// A worker that leaves closes them.
    func forgetListeners() {
        for listener in context.listeners { descriptors.forget(listener.fileDescriptor) }
    }

    /// A descriptor may now belong to another client, so the worker must not use any more. It ends at once.
    func checkDescriptors() {
        guard let name = descriptors.lost?.name ?? loop.lostDescriptor else { return }
        // Nothing takes what another log would be left now.
        logs.errorLog.relay = nil
        logs.errorLog.leaveOwnDescriptor()
        if descriptors.isIntact(logs.errorLog.fileDescriptor) {
            logger.error("The app has closed or replaced \(name): this worker ends at once (pid: \(getpid()))")
        }
        Fork.exitChild(ExitCode.descriptorsLost)
    }
}

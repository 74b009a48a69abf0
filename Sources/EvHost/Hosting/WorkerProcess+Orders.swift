// What a worker is told, and by whom: the master's commands over the control socket, and signals, which say the same
// and may come from anybody. Each is obeyed once.

import EvLoop
import EvServer
import EvSupervisor
import Glibc
import Logging

extension WorkerProcess {
    func watchSignals() {
        for number in WorkerContext.signals {
            let watcher = SignalWatcher(loop, signal: number) { [unowned self] in
                LoopActor.assumeIsolated { self.received(number) }
            }
            watcher.start()
            signals.append(watcher)
        }
        Fork.unblock(WorkerContext.signals)
    }

    private func received(_ signal: Int32) {
        switch signal {
        case SIGTERM:
            // The master writes a command before it sends the signal, and the command is more exact than the signal.
            readCommands()
            endsAlone()
        case SIGINT, SIGQUIT: obey(.quit)
        case SIGUSR1: obey(.reopenLogs)
        // HUP reaches the whole group when a terminal closes or an operator signals it; reloading is the master's.
        default: break
        }
    }

    /// Somebody has told this worker to end, and not the master; or the master is about to, with the whole group. If it
    /// goes on, it starts a successor, which takes the connections.
    private func endsAlone() {
        guard worker != nil, !isLeaving, patience == nil, context.gracefulTimeout > 0 else { return obey(.stop) }
        let timer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { obey(.stop) } }
        patience = timer
        timer.start(after: context.gracefulTimeout)
        tellMaster(.isTold)
    }

    func watchMaster() {
        let descriptor = context.controlFileDescriptor
        let watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .read) { [unowned self] _ in
            LoopActor.assumeIsolated { self.readCommands() }
        }
        watcher.start()
        control = watcher
    }

    private func readCommands() {
        while true {
            var byte: UInt8 = 0
            let count = recv(context.controlFileDescriptor, &byte, 1, Int32(MSG_DONTWAIT))
            if count < 0, errno == EINTR { continue }
            if count < 0, errno == EAGAIN { return }
            guard count > 0 else { break }
            guard let command = ControlCommand(rawValue: byte) else { continue }
            obey(command)
            if command == .reopenLogs { tellMaster(.reopened) }
        }
        control?.stop()
        if !isLeaving { logger.warning("The master is gone: finishing open requests (pid: \(getpid()))") }
        // Another master, that of an upgrade, may go on serving.
        drain(takesQueue: true, to: .otherMaster)
    }

    // MARK: What they ask for

    private func obey(_ command: ControlCommand) {
        switch command {
        case .announce: worker?.announce()
        case .stop: drain(takesQueue: true, to: nil)
        case .retire: drain(takesQueue: false, to: .all)
        case .retireAlone: drain(takesQueue: true, to: .all)
        case .handOver: drain(takesQueue: false, within: Self.handOverTime, to: .all)
        case .quit: quit()
        case .reopenLogs: reopenLogs()
        case .certificates: takeCertificates()
        }
    }

    /// Seconds. The master ends whoever takes much longer.
    private static let handOverTime = 2.0

    private func takeCertificates() {
        guard certificates.descriptor >= 0, let material = CertificateKeeper.read(certificates.descriptor) else {
            return
        }
        do throws(TLSError) {
            tls = try TLSServer(material)
            worker?.tls = tls
        } catch {
            // The master has tried them out, so only a change while they were read comes here, and is told again.
            logger.warning("Certificates cannot be used: \(error.reason) (pid: \(getpid()))")
        }
    }

    private func quit() {
        isLeaving = true
        wasInterrupted = true
        forgetListeners()
        if let worker { worker.quit() } else { leave(0) }
    }
}

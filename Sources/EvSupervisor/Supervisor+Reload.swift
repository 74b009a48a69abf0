// HUP: asks for the configuration, and puts what has changed into effect before workers are replaced. All of it takes
// effect, or nothing does and no worker is replaced.
import EvLoop
import Logging

/// What has become of the configuration when HUP comes.
package enum Reconfiguration {
    /// It is the same: workers are replaced all the same, because the app may have changed.
    case keep
    /// The new configuration cannot be used, and the reason has been logged: no worker is replaced. Several lines where
    /// the configuration is code.
    case refused(reason: String)
    /// - Parameter commit: called when this configuration is in effect, before `onReload` and before a worker is
    ///   started with it. It is not called if an address cannot be opened or the pid file not be claimed: then the
    ///   configuration of before stays, and the reason is in the log.
    case changed(SupervisorConfiguration, commit: () -> Void = {})
}

extension Supervisor {
    /// Answers `.reconfigure`.
    func reload() {
        tellReloading()
        switch call(reconfigure) {
        case .refused(let reason): return refuseReload(reason)
        case .keep: break
        case .changed(let wanted, let commit):
            do {
                try apply(wanted)
            } catch {
                logger.error("Reload refused: \(error); the workers go on with the configuration of before")
                return refuseReload("\(error)")
            }
            call(commit)
        }
        call(hooks.onReload)
        feed(.reconfigured(workers: configuration.workers, limits: configuration.limits))
    }

    private func refuseReload(_ reason: String) {
        state.tally.count(.reloadsFailed)
        perform(commands.reloadRefused(reason))
    }

    /// - Throws: if the configuration cannot be used. Then nothing has changed.
    private func apply(_ asked: SupervisorConfiguration) throws {
        var wanted = asked
        if wanted.reusePort != configuration.reusePort {
            logger.warning("--reuse-port takes effect at the next start")
            wanted.reusePort = configuration.reusePort
        }
        // As long as the admin process lives, it is what it was started as.
        wanted.adminBinds = configuration.adminBinds
        wanted.publishBinds = configuration.publishBinds
        wanted.connectsServers = configuration.connectsServers
        wanted.adminListening = configuration.adminListening
        let movesPIDFile = wanted.pidFile != configuration.pidFile
        let claimed = movesPIDFile ? try wanted.pidFile.map { try PIDFile(claiming: ownPath($0)) } : nil
        do {
            try open(wanted)
        } catch {
            claimed?.remove(sparing: pidFile)
            throw error
        }
        if movesPIDFile {
            pidFile?.remove(sparing: claimed)
            pidFile = claimed
        }
        configuration = wanted
    }

    private func open(_ wanted: SupervisorConfiguration) throws(BindAddressError) {
        let opened = try listeners?.change(
            to: wanted.binds, backlog: wanted.backlog, options: wanted.listening, nextAge: state.nextAge)
        for socket in opened ?? [] { log(listening: socket, wanted) }
        for socket in listeners?.addresses ?? []
        where protocols[socket.address.text] != wanted.protocols[socket.address.text] {
            log(listening: socket, wanted)
        }
        tellAdmin(.addresses(servedAddresses))
    }

    /// Gives up addresses that are not in the configuration any more, as soon as no worker accepts from them.
    func closeFormerListeners() {
        let closed = listeners?.closeFormer(
            removingFiles: !state.hasOtherMaster, unless: state.hasAcceptor(ofAges:index:))
        for socket in closed ?? [] {
            logger.info("No longer listening at: \(shown(socket))")
        }
    }
}

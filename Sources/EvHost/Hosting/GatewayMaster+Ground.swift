// What the settings mean on this machine: whose the workers are, what systemd has passed on, the titles of the
// processes, and what is worth a warning before a client finds out.

import EvLoop
import EvSettings
import EvSupervisor
import Glibc
import Logging

extension Settings {
    /// The configuration with users by number and with systemd's sockets.
    func completed(_ activation: SocketActivation?) throws(ConfigurationError) -> GatewayConfiguration {
        var configuration = configuration
        configuration.workerUser = try workerUser()
        configuration.socketFileOwner = try socketOwner(configuration.workerUser)
        if let activation {
            for bind in configuration.binds where bind.isPassedOn {
                let spoken = configuration.bindProtocols[bind.text]
                for passed in activation.addresses(for: [bind]) { configuration.bindProtocols[passed.text] = spoken }
            }
            configuration.binds = activation.addresses(for: configuration.binds)
        }
        if case .processors(let wanted)? = configuration.cpuAffinity {
            let usable = Processors.usable
            if let missing = wanted.first(where: { !usable.contains($0) }) {
                throw ConfigurationError(
                    label(of: "cpu_affinity"),
                    reason: "there is no processor \(missing) for this server; there is "
                        + usable.map(String.init).joined(separator: ","))
            }
        }
        return configuration
    }
}

extension GatewayMaster {
    /// A sentence for each thing that is likely not meant.
    func groundNotes(_ settings: Settings, _ configuration: GatewayConfiguration) -> [String] {
        var notes: [String] = []
        if configuration.binds != settings.configuration.binds, settings.origin(of: "bind") != .standard {
            let label = settings.label(of: "bind")
            if !settings.configuration.binds.contains(where: \.isPassedOn) {
                notes.append("\(label) has no effect: systemd has passed sockets on")
            }
        }
        let mode = configuration.fileModeOfSockets
        let isPrivate = configuration.socketMode != nil && mode & 0o077 == 0
        for case .unix(let path) in configuration.binds where mode & 0o022 == 0 && !isPrivate {
            notes.append(
                "unix:\(path) has the mode 0\(String(mode, radix: 8)), so that its owner alone can connect, and no "
                    + "proxy of another user: see --socket-mode and --socket-owner")
        }
        if configuration.binds.contains(where: { !$0.isPassedOn }), settings.origin(of: "backlog") != .standard,
            let most = Self.longestQueue, configuration.backlog > most
        {
            notes.append(
                "\(settings.label(of: "backlog")) \(configuration.backlog) is more than the kernel allows: the queue "
                    + "is as long as net.core.somaxconn, \(most)")
        }
        notes += adminNotes(settings, configuration)
        if configuration.isDaemon, configuration.errorLogFile == "-", !configuration.keepsStreams {
            notes.append("In the background there is no standard error: without --error-logfile the log ends here")
        }
        return notes
    }

    /// What is open to more people than it should be.
    private func adminNotes(_ settings: Settings, _ configuration: GatewayConfiguration) -> [String] {
        let label = settings.label(of: "admin_bind")
        let secrets = [
            ("admin_token", configuration.adminToken), ("publish_token", configuration.publishToken),
            ("publish_key", configuration.publishKey),
        ]
        let short = secrets.filter { ($0.1?.utf8.count ?? 16) < 16 }.map { name, _ in
            "\(settings.label(of: name)) is short: one of 32 random characters cannot be guessed"
        }
        guard configuration.adminToken == nil else { return short }
        return short
            + configuration.adminBinds.filter { !$0.isOfThisMachine }.map { address in
                "\(label) \(address.text) IS OPEN TO EVERYBODY WHO CAN REACH IT, and shows what clients send: set "
                    + "--admin-token, or bind to 127.0.0.1 or to a unix socket"
            }
    }

    private static var longestQueue: Int? { ProcFile.numbers(in: "/proc/sys/net/core/somaxconn").first }

    /// - Parameter index: of the worker that this process is; nil for the master.
    func setTitle(worker index: Int? = nil) {
        let name = configuration.processName ?? applicationName ?? "app"
        ProcessTitle.set("evgateway: \(index.map { "worker \($0 + 1)" } ?? "master") [\(name)]")
    }

    /// What is served, by the name that the command line has for it.
    var applicationName: String? {
        let program = FilePath.program().map { String($0.split(separator: "/").last ?? "") }
        return configuration.application ?? (host.kind == .swift ? program : nil)
    }

    /// In a worker, before anything else.
    func begin(_ index: Int, _ logger: Logger) {
        setTitle(worker: index)
        daemon?.leaveToMaster()
        let processor = configuration.cpuAffinity?.processor(ofWorker: index, among: Processors.usable)
        guard let processor else { return }
        do throws(SystemError) {
            try Processors.use(processor)
        } catch {
            logger.warning("A worker runs on every processor", metadata: ["error": "\(error)"])
        }
    }

    /// Lets the user of the workers open the logs again after a rotation. Root has made them.
    func give(_ logs: ProcessLogs) {
        guard let user = configuration.workerUser else { return }
        for path in [configuration.errorLogFile, configuration.accessLogFile].compactMap(\.self) where path != "-" {
            do throws(SystemError) {
                try user.own(path)
            } catch {
                logs.logger.warning("Workers cannot reopen \(path) after a rotation", metadata: ["error": "\(error)"])
            }
        }
    }
}

extension Credentials {
    /// Takes them on in a process that loads the app.
    func becomeWorker() throws(ApplicationError) {
        do throws(SystemError) {
            try takeOn()
        } catch {
            throw ApplicationError("\(error)", exitCode: ApplicationError.bootFailure)
        }
    }
}

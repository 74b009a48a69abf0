// The admin process as a part of this server: what it knows of the configuration, whose it is, and its title.

import EvAdmin
import EvBus
import EvLoop
import EvServer
import EvSettings
import EvSupervisor
import Logging

extension GatewayMaster {
    /// The body of the admin process.
    func runAdmin(_ context: AdminContext, _ logs: ProcessLogs) -> Int32 {
        logs.forget()
        certificates.forget()
        // The log of the app's language is Python's, and nothing of Python's runs here.
        logs.errorLog.relay = nil
        daemon?.leaveToMaster()
        if daemon != nil, !configuration.keepsStreams { daemon?.detach() }
        // Commands find the address here.
        let isAsked = !context.listeners.isEmpty
        let addresses = (isAsked ? context.listeners : context.publishing).map(\.text).joined(separator: ",")
        let title = isAsked ? "admin at \(addresses)" : addresses.isEmpty ? "bus" : "publishing at \(addresses)"
        ProcessTitle.set("evgateway: \(title)")
        do throws(ApplicationError) {
            try configuration.workerUser?.becomeWorker()
        } catch {
            logs.logger.error("The admin process: \(error)")
            return error.exitCode
        }
        // The kernel forgets it when the user changes.
        Fork.endWithParent(context.master)
        nonisolated(unsafe) let reopened = logs
        return AdminProcess.run(context, adminSettings, logger: logs.logger) { reopened.reopen() }
    }

    private var adminSettings: AdminSettings {
        var admin = AdminSettings()
        admin.token = adminToken
        admin.names = configuration.adminBinds.compactMap(\.host)
        admin.version = GatewayVersion.string
        admin.application = applicationName ?? ""
        admin.workerClass = configuration.workerClass.rawValue
        admin.connections = configuration.connections
        // It was checked when the settings were read.
        admin.redis = configuration.bus.flatMap { try? RedisAddress($0) }
        if !configuration.publishBinds.isEmpty {
            admin.publishing.key = configuration.publishKey
            admin.publishing.token = configuration.publishToken
            admin.publishing.names = configuration.publishBinds.compactMap(\.host)
            admin.publishing.limit = configuration.publishLimit
        }
        return admin
    }
}

extension BindAddress {
    fileprivate var host: String? { if case .tcp(let host, _) = self { host } else { nil } }
}

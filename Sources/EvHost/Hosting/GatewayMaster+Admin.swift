// The admin process as a part of this server: what it knows of the configuration, whose it is, and its title.

import EvAdmin
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
        ProcessTitle.set("evgateway: admin at \(context.listeners.map(\.text).joined(separator: ","))")
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
        admin.names = configuration.adminBinds.compactMap { if case .tcp(let host, _) = $0 { host } else { nil } }
        admin.version = GatewayVersion.string
        admin.application = applicationName ?? ""
        admin.workerClass = configuration.workerClass.rawValue
        admin.connections = configuration.connections
        return admin
    }
}

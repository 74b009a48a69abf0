// The two logs of a process, opened before the fork and shared by descriptor with every worker.

import EvLoop
import Glibc
import Logging

final class ProcessLogs {
    let errorLog: ErrorLog
    let accessLog: LogFile?
    let logger: Logger

    init(_ configuration: GatewayConfiguration) throws(ConfigurationError) {
        do {
            errorLog = try ErrorLog(path: configuration.errorLogFile)
        } catch {
            throw Self.failure("--error-logfile", configuration.errorLogFile, error)
        }
        let path = configuration.accessLogFile
        do {
            accessLog = try path.map { path throws(SystemError) in try LogFile(path: path, standard: STDOUT_FILENO) }
        } catch {
            throw Self.failure("--access-logfile", path ?? "", error)
        }
        logger = errorLog.makeLogger(label: "evgateway", level: configuration.logLevel)
    }

    /// Opens both logs again after a rotation. If a log cannot be opened, its old file stays in use.
    func reopen() {
        do {
            try errorLog.reopen()
            try accessLog?.reopen()
        } catch {
            logger.error("Cannot reopen the logs", metadata: ["error": "\(error)"])
        }
    }

    private static func failure(_ option: String, _ path: String, _ error: SystemError) -> ConfigurationError {
        ConfigurationError(option, reason: "cannot open '\(path)': \(String(cString: strerror(error.errno)))")
    }
}

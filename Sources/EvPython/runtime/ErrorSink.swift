// Where the app's words go. On any thread of the app.

public import CPythonBridge
import EvGateway
import Logging
import Synchronization

/// The worker's error log, or standard error while there is no worker (`--preload`).
enum ErrorSink {
    private static let current = Mutex<(logger: Logger, log: ErrorLog)?>(nil)

    static func install(_ worker: WorkerEnvironment) {
        let sink = (logger: worker.logger, log: worker.errorLog)
        current.withLock { $0 = sink }
    }

    static func log(_ line: UnsafeRawBufferPointer) {
        let text = String(decoding: line, as: UTF8.self)
        guard let sink = current.withLock({ $0 }) else { return printError(text) }
        sink.logger.error("\(text)")
    }

    static func write(_ text: UnsafeRawBufferPointer) {
        guard let sink = current.withLock({ $0 }) else { return printError(String(decoding: text, as: UTF8.self)) }
        sink.log.write(text)
    }
}

@_cdecl("evg_swift_log_error")
public func logError(_ line: evg_py_text) {
    ErrorSink.log(UnsafeRawBufferPointer(line))
}

@_cdecl("evg_swift_log_text")
public func logText(_ text: evg_py_text) {
    ErrorSink.write(UnsafeRawBufferPointer(text))
}

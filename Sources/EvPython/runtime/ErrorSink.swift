// Where the app's words go. On any thread of the app.

public import CPythonBridge
import EvHost
import Logging
import Synchronization

/// The error log of the process, or standard error while there is none (`--check-config`).
enum ErrorSink {
    private static let current = Mutex<(logger: Logger, log: ErrorLog)?>(nil)

    static func install(_ logger: Logger, _ log: ErrorLog) {
        current.withLock { $0 = (logger, log) }
    }

    static func log(_ line: UnsafeRawBufferPointer, _ level: Logger.Level = .error) {
        let text = String(decoding: line, as: UTF8.self)
        guard let sink = current.withLock({ $0 }) else { return printError(text) }
        sink.logger.log(level: level, "\(text)")
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

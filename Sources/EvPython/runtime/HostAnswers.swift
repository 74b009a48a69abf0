// What the Python package asks of Swift (`_evgateway.tell`), and the log with its levels. On any thread of the app:
// what is not atomic is set before the app is loaded.

public import CPythonBridge
import EvHost
import EvLoop
import EvSettings
import EvSupervisor
import Glibc
import Logging

enum HostAnswers {
    private struct Worker {
        var index: Int
        var age: Int
        var slot: ScoreboardSlot?
    }

    nonisolated(unsafe) private static var worker: Worker?
    /// Of the master: `SettingsInForce.workers`.
    nonisolated(unsafe) static var workers: (() -> [WorkerIdentity])?

    /// Of a worker: `WorkerEnvironment.watchFile`.
    nonisolated(unsafe) static var watchFile: (@Sendable (String) -> Void)?

    static func begin(_ worker: WorkerEnvironment) {
        self.worker = Worker(index: worker.index, age: worker.age, slot: worker.slot)
    }

    static func begin(_ worker: WorkerIdentity) {
        self.worker = Worker(index: worker.index, age: worker.age)
    }

    static func answer(_ question: String) -> SettingValue? {
        switch question {
        case "version":
            return .text(GatewayVersion.string)
        case "known":
            return .texts(Setting.namesInCalls)
        case "worker":
            guard let worker else { return SettingValue.none }
            let (open, requests) = (worker.slot?.open ?? 0, worker.slot?.requests ?? 0)
            return .list([
                .integer(worker.index), .integer(worker.age), .integer(Int(open)), .integer(Int(clamping: requests)),
                .boolean(worker.slot?.isToLeave == true),
            ])
        case "workers":
            guard let workers else { return SettingValue.none }
            return .list(
                workers().map { .list([.integer($0.index), .integer($0.age), .integer(Int($0.pid))]) })
        default:
            return nil
        }
    }
}

@_cdecl("evg_swift_tell")
public func tell(
    _ question: evg_py_text, _ answer: @convention(c) (UnsafeMutableRawPointer?, evg_py_text) -> Void,
    _ context: UnsafeMutableRawPointer?
) {
    let text = String(decoding: UnsafeRawBufferPointer(question), as: UTF8.self)
    guard let value = HostAnswers.answer(text) else { return }
    SettingCoding.encode(value).withUnsafeBytes { answer(context, evg_py_text($0)) }
}

@_cdecl("evg_swift_watch_file")
public func watchFile(_ path: evg_py_text) {
    HostAnswers.watchFile?(String(decoding: UnsafeRawBufferPointer(path), as: UTF8.self))
}

@_cdecl("evg_swift_log")
public func logLine(_ level: Int32, _ line: evg_py_text) {
    let kind: Logger.Level =
        switch level {
        case ..<10: .trace
        case ..<20: .debug
        case ..<30: .info
        case ..<40: .warning
        case ..<50: .error
        default: .critical
        }
    ErrorSink.log(UnsafeRawBufferPointer(line), kind)
}

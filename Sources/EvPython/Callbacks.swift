// What C calls from inside the app: start_response, write, the log. Law: an exchange is only reached while its task is
// inside evg_py_call_app or _next, on the loop's thread, so that the pointer is valid and nothing else runs.

public import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import HTTP1
import Logging
import Synchronization

/// The gateway's main function, for the extension module. Returns the exit code.
@_cdecl("evg_swift_main")
public func gatewayMain(_ count: Int32, _ arguments: UnsafePointer<UnsafePointer<CChar>?>) -> Int32 {
    let texts = (0..<Int(count)).compactMap { index in arguments[index].map { String(cString: $0) } }
    return runGateway(host: PythonHost(), arguments: texts)
}

private func exchange(_ pointer: UnsafeMutableRawPointer) -> Exchange {
    Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
}

extension UnsafeRawBufferPointer {
    /// Borrows what C lends.
    init(_ text: evg_py_text) {
        self.init(start: text.base, count: text.count)
    }
}

/// Returns nil, or why the head is refused: ASCII with a final NUL, valid for ever.
@_cdecl("evg_swift_start")
public func startResponse(
    _ pointer: UnsafeMutableRawPointer, _ status: Int32, _ reason: evg_py_text,
    _ fields: UnsafePointer<evg_py_text_field>, _ count: Int, _ replacing: Bool
) -> UnsafePointer<CChar>? {
    nonisolated(unsafe) let pointer = pointer
    nonisolated(unsafe) let fields = fields
    nonisolated(unsafe) let reason = reason
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        if replacing { exchange.abandonResponse() }
        do throws(HTTP1Error) {
            try exchange.startResponse(
                status: Int(status), reason: reason.base == nil ? nil : UnsafeRawBufferPointer(reason))
            for index in 0..<count {
                try exchange.addField(
                    name: UnsafeRawBufferPointer(fields[index].name),
                    value: UnsafeRawBufferPointer(fields[index].value))
            }
            return nil
        } catch {
            exchange.abandonResponse()
            return UnsafeRawPointer(error.detail.utf8Start).assumingMemoryBound(to: CChar.self)
        }
    }
}

/// True when the peer reads too slowly.
@_cdecl("evg_swift_write")
public func write(_ pointer: UnsafeMutableRawPointer, _ bytes: evg_py_text) -> Bool {
    nonisolated(unsafe) let pointer = pointer
    nonisolated(unsafe) let bytes = bytes
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        do throws(HTTP1Error) {
            if !exchange.headWasSent { try exchange.sendHead(contentLength: nil) }
        } catch {
            return false  // only a head whose fields were refused cannot be sent, and those never start
        }
        return exchange.write(UnsafeRawBufferPointer(bytes)) == .full
    }
}

/// Without the GIL.
@_cdecl("evg_swift_flush")
public func flush(_ pointer: UnsafeMutableRawPointer) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).flushBlocking() }
}

// MARK: - The log

/// Where the app's words go: the worker's error log, or standard error while there is no worker (`--preload`).
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

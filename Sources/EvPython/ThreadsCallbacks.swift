// What the pool's threads ask of Swift, on their own thread. Law: nothing here touches an exchange.

public import CPythonBridge
import EvGateway
import EvLoop
import HTTP1

/// Makes the loop collect what the threads have to say, before it waits again.
@_cdecl("evg_swift_threads_wake")
public func wakeForAnswers() {
    LoopExecutor.shared.submit {}
}

/// What `checkHead` writes to: Python's lock lets one thread at a time in there.
private nonisolated(unsafe) let checked = ByteWriter()

/// Applies the encoder's rules to a head, so that its mistakes are raised where the app made them. Under Python's lock.
@_cdecl("evg_swift_threads_check")
public func checkHead(
    _ status: Int32, _ reason: evg_py_text, _ fields: UnsafePointer<evg_py_text_field>, _ count: Int
) -> UnsafePointer<CChar>? {
    let writer = checked
    writer.removeAll(keepingCapacity: true)
    var encoder = ResponseEncoder(requestIsHead: false, requestVersion: .http11, keepAlive: true)
    do throws(HTTP1Error) {
        try encoder.start(
            status: Int(status), reason: reason.base == nil ? nil : UnsafeRawBufferPointer(reason), into: writer)
        for index in 0..<count {
            try encoder.field(
                name: UnsafeRawBufferPointer(fields[index].name), value: UnsafeRawBufferPointer(fields[index].value),
                into: writer)
        }
        return nil
    } catch {
        return UnsafeRawPointer(error.detail.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

extension ThreadsApplication {
    /// What still runs when the worker leaves is left to itself: it ends with the process.
    func reportEnd() {
        let state = evg_py_threads_state()
        if state.busy > 0 {
            logger.warning(
                "The worker leaves threads behind that are still busy", metadata: ["threads": "\(state.busy)"])
        }
    }
}

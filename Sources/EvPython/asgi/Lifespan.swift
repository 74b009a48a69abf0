// What the app's start-up and shut-down (lifespan) tell and ask of the worker.

public import CPythonBridge
import EvHost
import EvLoop
import Logging

@_cdecl("evg_swift_asgi_started")
public func asgiStarted(_ message: evg_py_text, _ details: evg_py_text) {
    let reason = String(decoding: UnsafeRawBufferPointer(message), as: UTF8.self)
    let details = String(decoding: UnsafeRawBufferPointer(details), as: UTF8.self)
    LoopActor.assumeIsolated {
        let error = ApplicationError(
            reason, exitCode: ApplicationError.bootFailure, details: details.isEmpty ? nil : details)
        ASGIApplication.current?.startupEnded(reason.isEmpty ? nil : error)
    }
}

@_cdecl("evg_swift_asgi_time_left")
public func asgiTimeLeft() -> Double {
    LoopActor.assumeIsolated { (ASGIApplication.current?.leavesBefore ?? .infinity) - EventLoop.monotonicNow() }
}

@_cdecl("evg_swift_asgi_note")
public func asgiNote(_ line: evg_py_text) {
    let text = String(decoding: UnsafeRawBufferPointer(line), as: UTF8.self)
    LoopActor.assumeIsolated { ASGIApplication.current?.logger.info("\(text)") }
}

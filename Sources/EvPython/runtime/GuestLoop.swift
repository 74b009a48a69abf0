// The worker's loop as a guest: Python drives (gevent's hub or asyncio) and pumps it when its epoll descriptor is
// readable. Nothing here switches greenlets; Python code runs before and after a pump, never inside one.

import CPythonBridge
import EvLoop

/// The loop that Python drives; set while `PythonHost.run` runs.
@LoopActor private var guest: EventLoop?

extension PythonHost {
    func runGuest(_ loop: EventLoop) {
        nonisolated(unsafe) let loop = loop
        LoopActor.assumeIsolated { guest = loop }
        evg_py_guest_run()
        LoopActor.assumeIsolated { guest = nil }
    }
}

/// The descriptor to watch for reading; -1 without a guest loop.
@_cdecl("evg_swift_guest_descriptor")
public func guestDescriptor() -> Int32 { LoopActor.assumeIsolated { guest?.backendFileDescriptor ?? -1 } }

/// Lets the other loop poll, and then pump.
@_cdecl("evg_swift_guest_wake")
public func guestWake() { LoopActor.assumeIsolated { guest?.noteChange() } }

/// Looks whether the descriptors are still the worker's own, and ends it when they are not.
@_cdecl("evg_swift_guest_check")
public func guestCheck(_ driver: Int32) { LoopActor.assumeIsolated { guest?.checkGuest(drivenBy: driver) } }

/// Serves what is ready. False when the worker is to end.
@_cdecl("evg_swift_guest_pump")
public func guestPump() -> Bool {
    LoopActor.assumeIsolated {
        guard let guest else { return false }
        guest.pump()
        return !guest.isStopRequested
    }
}

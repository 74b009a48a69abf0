// How values of the server look to the bridge, and the bridge's to the server.

import CPythonBridge
import EvServer

extension Exchange {
    /// The one that the bridge names so.
    static func borrowed(_ pointer: OpaquePointer) -> Exchange {
        Unmanaged<Exchange>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    /// Ends a request that cannot be handed to the app.
    func refuse(_ body: CollectedBody, status: Int) {
        body.discard()
        fail(status: status)
        taskEnded()
    }
}

extension StaticString {
    /// With a final NUL, valid for ever.
    var cString: UnsafePointer<CChar> { UnsafeRawPointer(utf8Start).assumingMemoryBound(to: CChar.self) }
}

// How values of the server look to the bridge, and the bridge's to the server.

import CPythonBridge
import EvServer

extension UnsafeRawBufferPointer {
    /// Borrows what C lends.
    init(_ text: evg_py_text) {
        self.init(start: text.base, count: text.count)
    }
}

extension Exchange {
    /// The one that the bridge names so.
    static func borrowed(_ pointer: OpaquePointer) -> Exchange {
        Unmanaged<Exchange>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
    }

    /// As the bridge names it, for as long as somebody else keeps it.
    var unretained: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }

    /// As the bridge names it; `evg_swift_exchange_end` gives the reference back.
    var retained: OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

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

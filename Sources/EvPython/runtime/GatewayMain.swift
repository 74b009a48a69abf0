// The extension module's way into the gateway.

import EvHost

/// The gateway's main function. Returns the exit code.
@_cdecl("evg_swift_main")
public func gatewayMain(_ count: Int32, _ arguments: UnsafePointer<UnsafePointer<CChar>?>) -> Int32 {
    let texts = (0..<Int(count)).compactMap { index in arguments[index].map { String(cString: $0) } }
    return runGateway(host: PythonHost(), arguments: texts)
}

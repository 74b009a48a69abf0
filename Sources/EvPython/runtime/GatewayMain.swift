// The extension module's way into the gateway. Law: a program that goes on after it has its signals back.

import EvHost
import Glibc

/// The gateway's main function. Returns the exit code.
@_cdecl("evg_swift_main")
public func gatewayMain(_ count: Int32, _ arguments: UnsafePointer<UnsafePointer<CChar>?>) -> Int32 {
    let texts = (0..<Int(count)).compactMap { index in arguments[index].map { String(cString: $0) } }
    let actions = SignalActions()
    defer { actions.restore() }
    return runGateway(host: PythonHost(), arguments: texts)
}

/// What the signals do. The gateway takes some of them, and leaves the default action when it ends.
private struct SignalActions {
    private var actions: [(signal: Int32, action: sigaction)] = []

    init() {
        for number in 1..<Int32(32) {
            var action = sigaction()
            if sigaction(number, nil, &action) == 0 { actions.append((number, action)) }
        }
    }

    func restore() {
        for (number, action) in actions {
            var action = action
            // KILL and STOP are refused.
            _ = sigaction(number, &action, nil)
        }
    }
}

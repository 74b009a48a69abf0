// What never changes in a WSGI environ from request to request of one listening socket, made once for each of them.

import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import Glibc

/// Templates of the bridge, by listening socket.
@LoopActor
final class EnvironTemplates {
    private let multiprocess: Bool
    private let scriptName: String
    private let make: @LoopActor (UnsafePointer<evg_py_environ_options>) -> OpaquePointer?
    /// Every request looks here, and nothing calls out meanwhile: accesses are not tracked.
    @exclusivity(unchecked) private var known: [(descriptor: Int32, template: OpaquePointer)] = []

    /// - Parameter make: asks the bridge for a template; nil when it cannot make one.
    init(
        _ configuration: GatewayConfiguration,
        make: @escaping @LoopActor (UnsafePointer<evg_py_environ_options>) -> OpaquePointer?
    ) {
        multiprocess = configuration.workers > 1
        let rootPath = configuration.rootPath
        scriptName = rootPath.isEmpty ? getenv("SCRIPT_NAME").map { String(cString: $0) } ?? "" : rootPath
        self.make = make
    }

    /// The template for a request; nil when it cannot be made, which the bridge has logged.
    func template(for exchange: Exchange) -> OpaquePointer? {
        let descriptor = exchange.localDescriptor
        for entry in known where entry.descriptor == descriptor { return entry.template }
        let template = template(of: exchange.local, exchange.connectionScheme)
        if let template { known.append((descriptor, template)) }
        return template
    }

    /// The names of a Unix socket are no host and port: they get stand-ins, since neither may be empty (PEP 3333).
    private func template(of listener: ListeningSocket, _ scheme: StaticString) -> OpaquePointer? {
        let name = listener.isUnix ? "localhost" : listener.localAddress
        let port = listener.isUnix ? "80" : "\(listener.port)"
        return name.withCString { name in
            port.withCString { port in
                "evgateway/\(GatewayVersion.string)".withCString { software in
                    scriptName.withCString { script in
                        var options = evg_py_environ_options(
                            server_name: name, server_port: port, server_software: software, script_name: script,
                            scheme: scheme.cString, multiprocess: multiprocess)
                        return make(&options)
                    }
                }
            }
        }
    }
}

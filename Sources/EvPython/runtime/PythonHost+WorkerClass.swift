// `-k auto` for Python apps: an ASGI app -> asgi; a WSGI app -> gevent when it can be used, else threads. gevent must
// patch the standard library before the app is imported, so the app is first imported in a process of its own. When
// that fails no verdict is taken from it: a worker fails in the same way, and reports it in the usual one.

import CPythonBridge
import EvHost
import EvLoop
import EvSettings

extension PythonHost {
    func chooseWorkerClass(for configuration: GatewayConfiguration) -> WorkerClassChoice {
        guard configuration.workerClass == .auto else {
            let isSerial = configuration.workerClass == .threads && configuration.threads == 1
            return WorkerClassChoice(configuration.workerClass, isSerial ? "one request at a time" : nil)
        }
        if configuration.interface == .asgi { return WorkerClassChoice(.asgi, "--interface is asgi") }
        if configuration.preload { return chooseForPreloaded(configuration) }
        guard let answer = probe(configuration) else {
            return WorkerClassChoice(.threads, "the app could not be examined", isCertain: false)
        }
        switch answer.interface {
        case .asgi:
            return WorkerClassChoice(.asgi, "an ASGI app")
        case .wsgi where configuration.asksForThreads:
            return WorkerClassChoice(.threads, "a WSGI app, and --threads is given")
        case .wsgi where answer.gevent.hasPrefix("+"):
            return WorkerClassChoice(.gevent, "a WSGI app, and gevent \(answer.gevent.dropFirst()) is installed")
        case .wsgi:
            return WorkerClassChoice(.threads, "a WSGI app, and \(answer.gevent)")
        case .auto:
            // A worker will say why it cannot load the app.
            return WorkerClassChoice(.threads, isCertain: false)
        }
    }

    /// What has been imported is not patched any more: locks and sockets of before would block the hub.
    private func chooseForPreloaded(_ configuration: GatewayConfiguration) -> WorkerClassChoice {
        if configuration.interface == .auto, evg_py_app_is_asgi() { return WorkerClassChoice(.asgi, "an ASGI app") }
        return WorkerClassChoice(.threads, "a WSGI app, which gevent cannot patch after --preload")
    }

    /// - Returns: `auto` for an app that cannot be loaded; `gevent` as `evgateway.choose.gevent` says it. Nil when the
    ///   import came to no end.
    private func probe(_ configuration: GatewayConfiguration) -> (interface: AppInterface, gevent: String)? {
        guard let locator = configuration.application else { return nil }
        let asked = configuration.interface == .wsgi ? "wsgi" : ""
        let bytes = try? ForkedQuestion.ask(
            forkHooks, as: configuration.workerUser, timeout: configuration.timeout
        ) { buffer in
            withSource(configuration, locator) { source in
                evg_py_probe(
                    source, asked, buffer.assumingMemoryBound(to: CChar.self).baseAddress, buffer.count)
            }
        }
        guard let bytes else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        let interface = lines.first.flatMap { AppInterface(rawValue: String($0)) } ?? .auto
        return (interface, lines.count > 1 ? String(lines[1]) : "")
    }
}

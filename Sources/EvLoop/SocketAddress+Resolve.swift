// Names looked up beside the loop: getaddrinfo(3) blocks, so it runs on a thread of its own. A literal address is read
// in place.

import Glibc

extension SocketAddress {
    /// The socket addresses that an address stands for, the preferred one first.
    @LoopActor static func resolve(
        _ address: LoopStream.Address, within limit: Duration
    ) async throws -> [SocketAddress] {
        switch address {
        case .unix(let path):
            guard let address = SocketAddress(path: path) else {
                throw LoopStreamError.failed("the path of a unix socket has 1 to 107 bytes, and no NUL")
            }
            return [address]
        case .tcp(let host, let port):
            guard !host.isEmpty, !host.utf8.contains(0) else { throw LoopStreamError.failed("no host name") }
            if let literal = try? lookUp(host, port, flags: AI_NUMERICHOST) { return literal }
            let lookup = Lookup(host: host, port: port)
            lookup.start()
            try await lookup.wait.begin(within: limit)
            return try lookup.result.get()
        }
    }

    fileprivate static func result(_ host: String, _ port: UInt16) -> Result<[SocketAddress], LoopStreamError> {
        do throws(LookUpError) {
            return .success(try lookUp(host, port))
        } catch {
            return .failure(error.number.map { LoopStreamError($0) } ?? .failed(error.reason))
        }
    }
}

/// One look-up of a host name. The task that asked may have ended when the answer comes.
@LoopActor
private final class Lookup {
    let host: String
    let port: UInt16
    let wait = Wait()
    private(set) var result: Result<[SocketAddress], LoopStreamError> = .failure(.timedOut)

    init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    func start() {
        let code = runOnThread()
        if code != 0 { end(.failure(LoopStreamError(code))) }
    }

    /// Returns 0, or the error number if no thread could be started.
    private nonisolated func runOnThread() -> Int32 {
        // The signals of the process are the loop's: a new thread inherits the mask of the one that starts it.
        var (all, before) = (sigset_t(), sigset_t())
        sigfillset(&all)
        pthread_sigmask(SIG_SETMASK, &all, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        var thread = pthread_t()
        let lookup = Unmanaged.passRetained(self)
        let code = pthread_create(
            &thread, nil,
            { lookup in
                if let lookup { Unmanaged<Lookup>.fromOpaque(lookup).takeRetainedValue().run() }
                return nil
            }, lookup.toOpaque())
        if code == 0 { pthread_detach(thread) } else { lookup.release() }
        return code
    }

    private nonisolated func run() {
        let result = SocketAddress.result(host, port)
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.end(result) } }
    }

    private func end(_ result: Result<[SocketAddress], LoopStreamError>) {
        self.result = result
        wait.end(.success(()))
    }
}

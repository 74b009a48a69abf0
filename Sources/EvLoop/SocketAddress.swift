// Where a stream connects to, as connect(2) takes it. getaddrinfo(3) blocks, so a name is looked up on a thread of its
// own; a literal address is read in place.

import Glibc

/// The bytes of a `sockaddr` of some family.
struct SocketAddress: Sendable, Equatable {
    let family: Int32
    private let bytes: [UInt8]

    private init(_ family: Int32, _ address: UnsafePointer<sockaddr>, _ size: socklen_t) {
        self.family = family
        bytes = Array(UnsafeRawBufferPointer(start: address, count: Int(size)))
    }

    func withBytes<T>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> T) -> T {
        // A copy with the alignment of every address.
        var storage = sockaddr_storage()
        let size = min(bytes.count, MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { $0.copyBytes(from: bytes.prefix(size)) }
        return withUnsafePointer(to: &storage) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(size)) }
        }
    }

    /// The socket addresses that an address stands for, the preferred one first.
    @LoopActor static func resolve(
        _ address: LoopStream.Address, within limit: Duration
    ) async throws -> [SocketAddress] {
        switch address {
        case .unix(let path):
            // unix(7): sun_path has 108 bytes, one of them for the NUL.
            guard !path.isEmpty, path.utf8.count < 108, !path.utf8.contains(0) else {
                throw LoopStreamError.failed("the path of a unix socket has 1 to 107 bytes, and no NUL")
            }
            return [SocketName.withUnixAddress(path: path) { SocketAddress(AF_UNIX, $0, $1) }]
        case .tcp(let host, let port):
            guard !host.isEmpty, !host.utf8.contains(0) else { throw LoopStreamError.failed("no host name") }
            if let literal = try? lookUp(host, port, flags: AI_NUMERICHOST).get() { return literal }
            let lookup = Lookup(host: host, port: port)
            lookup.start()
            try await lookup.wait.begin(within: limit)
            return try lookup.result.get()
        }
    }

    fileprivate static func lookUp(
        _ host: String, _ port: UInt16, flags: Int32
    ) -> Result<[SocketAddress], LoopStreamError> {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_NUMERICSERV | flags
        var found: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(host, String(port), &hints, &found)
        guard code == 0 else {
            if code == EAI_SYSTEM { return .failure(LoopStreamError(errno)) }
            return .failure(.failed(gai_strerror(code).map { String(cString: $0) } ?? "unknown host"))
        }
        defer { freeaddrinfo(found) }
        var addresses: [SocketAddress] = []
        var next = found
        while let candidate = next?.pointee {
            next = candidate.ai_next
            if let address = candidate.ai_addr {
                addresses.append(SocketAddress(candidate.ai_family, address, candidate.ai_addrlen))
            }
        }
        return .success(addresses)
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
        let result = SocketAddress.lookUp(host, port, flags: 0)
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { self.end(result) } }
    }

    private func end(_ result: Result<[SocketAddress], LoopStreamError>) {
        self.result = result
        wait.end(.success(()))
    }
}

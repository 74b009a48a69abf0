// Sockets that systemd has opened and passed on (sd_listen_fds(3)): descriptors from 3 on, LISTEN_FDS of them, with the
// names of LISTEN_FDNAMES. They are meant for the process LISTEN_PID.
package import EvLoop
import Glibc

package struct SocketActivation: Equatable, Sendable {
    /// By descriptor, in ascending order. A unit's sockets have the unit's name where it gives no other.
    package let names: [(descriptor: Int32, name: String)]

    package static let variables = ["LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "LISTEN_PIDFDID"]
    /// Far more than a unit has; a greater number is not systemd's.
    private static let most = 1024

    /// Nil if nothing is meant for this process.
    ///
    /// - Parameter environment: that of the start.
    package init?(environment: (String) -> String?) {
        guard environment("LISTEN_PID") == String(getpid()),
            let count = environment("LISTEN_FDS").flatMap({ Int32($0) }), count > 0, count <= Self.most
        else { return nil }
        let given = environment("LISTEN_FDNAMES")?.split(separator: ":", omittingEmptySubsequences: false) ?? []
        names = (0..<count).map { number in
            (3 + number, Int(number) < given.count ? String(given[Int(number)]) : "unknown")
        }
    }

    /// The addresses to listen to. Without an `fd://` among those that are asked for, they are all sockets that have
    /// been passed on, since nobody else would accept from them, and nothing else. With one, whoever asks has chosen.
    package func addresses(for asked: [BindAddress]) -> [BindAddress] {
        guard asked.contains(where: \.isPassedOn) else {
            return names.map { .inherited(fileDescriptor: $0.descriptor) }
        }
        return asked.flatMap { address in
            guard case .named(let name) = address else { return [address] }
            let found = names.filter { $0.name == name }
            return found.isEmpty ? [address] : found.map { .inherited(fileDescriptor: $0.descriptor) }
        }
    }

    package static func == (one: Self, other: Self) -> Bool {
        one.names.elementsEqual(other.names) { $0 == $1 }
    }
}

extension BindAddress {
    /// `fd://`.
    package var isPassedOn: Bool {
        switch self {
        case .inherited, .named: true
        case .tcp, .unix, .abstract: false
        }
    }
}

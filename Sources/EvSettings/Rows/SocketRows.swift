// The rows about listening sockets beside their addresses: files of Unix sockets, and options of tcp(7).

import EvLoop

extension Setting {
    static let socketRows = [
        Setting(
            "socket_mode", "--socket-mode", .binding, .mode(\.socketMode, isOctal: true), value: "mode",
            "Mode of the files of Unix sockets, in octal: 660; else 0777 less --umask, as gunicorn makes them.",
            details: "Whoever may write to the file may connect."),
        Setting(
            "socket_owner", "--socket-owner", .binding, .owner(\.socketOwner), value: "user:group",
            "Owner of the files of Unix sockets: USER, USER:GROUP or :GROUP; else --user and --group.",
            details: "Only root can give a file to another user; a user can give it to a group of his own."),
        Setting(
            "tcp_keepalive", "--tcp-keepalive", .binding, .tcpKeepAlive(\.tcpKeepAlive), value: "seconds",
            "Silence on a TCP connection before the kernel asks whether the peer is there; 0: never.",
            details: "IDLE, or IDLE,INTERVAL,COUNT: then COUNT probes without an answer, INTERVAL seconds apart, end "
                + "the connection. Else as the kernel has it: after two hours."),
        Setting(
            "tcp_user_timeout", "--tcp-user-timeout", .binding, .seconds(\.tcpUserTimeout), value: "seconds",
            "Time for a peer to acknowledge what was sent to it, before the connection ends; 0: the kernel's.",
            details: "As TCP_USER_TIMEOUT has it. A peer that is there and does not read is --write-timeout's."),
        Setting(
            "defer_accept", "--defer-accept", .binding, .seconds(\.deferAccept), value: "seconds",
            "A TCP connection waits in the kernel for its first byte, so long at most; 0: it does not.",
            details: "As TCP_DEFER_ACCEPT has it, in steps of the kernel's own. --header-timeout begins afterwards, so "
                + "a client that says nothing has both times."),
    ]
}

extension Kind {
    /// `USER`, `USER:GROUP`, `:GROUP`, as chown(1) takes them.
    static func owner(_ path: Path<String?>) -> Kind {
        Kind(
            .value, reset: { $0[keyPath: path] = nil }, show: { $0[keyPath: path].map { .text($0) } ?? .none }
        ) { configuration, value throws(ValueError) in
            let text = try ValueReader.nonEmpty(value)
            let parts = text.split(separator: ":", omittingEmptySubsequences: false)
            guard parts.count <= 2, parts.last?.isEmpty == false, text != ":" else {
                throw ValueError("'\(text)' is not of the form USER, USER:GROUP or :GROUP")
            }
            configuration[keyPath: path] = text
        }
    }

    /// As tcp(7) has them: up to 32767 seconds, and up to 127 probes.
    static func tcpKeepAlive(_ path: Path<TCPKeepAlive?>) -> Kind {
        Kind(
            .value, range: "0 to 32767", takesDashes: true, reset: { $0[keyPath: path] = nil },
            show: { $0[keyPath: path].map { .text($0.text) } ?? .none }
        ) { configuration, value throws(ValueError) in
            let text = try ValueReader.text(value)
            let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { String($0.trimming(" ")) }
            guard parts.count == 1 || parts.count == 3 else {
                throw ValueError("'\(text)' is not of the form IDLE or IDLE,INTERVAL,COUNT")
            }
            var keepAlive = TCPKeepAlive(idle: try ValueReader.wholeNumber(.text(parts[0]), in: 0...32_767))
            if parts.count == 3 {
                keepAlive.interval = try ValueReader.wholeNumber(.text(parts[1]), in: 1...32_767)
                keepAlive.count = try ValueReader.wholeNumber(.text(parts[2]), in: 1...127)
            }
            configuration[keyPath: path] = keepAlive
        }
    }
}

extension TCPKeepAlive {
    /// As the row reads it.
    var text: String {
        guard let interval, let count else { return "\(idle)" }
        return "\(idle),\(interval),\(count)"
    }
}

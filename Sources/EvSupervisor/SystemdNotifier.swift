// The notifications of sd_notify(3): lines in a datagram to the socket that NOTIFY_SOCKET names. systemd takes them
// from the service's main process alone, unless the unit says otherwise, so only the master sends any. Where nobody
// listens, nothing happens.
import EvLoop
import Glibc

package struct SystemdNotifier {
    package enum Message: Equatable {
        /// The service serves: at its start, and again after each `reloading`.
        case ready
        /// With the time in microseconds, by which systemd tells a reload that it has asked for from an earlier one.
        case reloading(monotonicMicroseconds: UInt64)
        case stopping
        /// One line for `systemctl status`.
        case status(String)
        /// To be repeated each ``watchdogPeriod``.
        case watchdog
        /// Another process is the main one from now on. Its predecessor says so, while it is still the main one.
        case mainPID(Int32)

        /// `reloading` with the time of now.
        package static var reloadingNow: Message {
            .reloading(monotonicMicroseconds: UInt64(max(0, EventLoop.monotonicNow()) * 1e6))
        }

        var text: String {
            switch self {
            case .ready: "READY=1"
            case .reloading(let time): "RELOADING=1\nMONOTONIC_USEC=\(time)"
            case .stopping: "STOPPING=1"
            case .status(let line): "STATUS=\(escapingControls(line))"
            case .watchdog: "WATCHDOG=1"
            case .mainPID(let pid): "MAINPID=\(pid)"
            }
        }
    }

    /// A path, or an abstract name after `@`; nil where nobody listens.
    private let address: String?
    /// Half of the time after which systemd ends a service that is silent, in seconds; nil if it does not watch.
    package let watchdogPeriod: Double?

    /// - Parameter environment: that of the start. WATCHDOG_PID must be this process: whoever executes a successor
    ///   under another process id has to set it anew, as LISTEN_PID.
    package init(environment: (String) -> String?) {
        // Other kinds of sockets, such as vsock:, are for the systemd of a virtual machine.
        address = environment("NOTIFY_SOCKET").flatMap { $0.hasPrefix("/") || $0.hasPrefix("@") ? $0 : nil }
        let isOurs = environment("WATCHDOG_PID").map { $0 == String(getpid()) } ?? true
        let limit = environment("WATCHDOG_USEC").flatMap { UInt64($0) } ?? 0
        watchdogPeriod = address != nil && isOurs && limit > 0 ? Double(limit) / 2e6 : nil
    }

    /// One that tells nobody.
    package init() { self.init { _ in nil } }

    /// Sends the messages in one datagram. One that cannot be sent within a second is lost: the service serves on.
    package func send(_ messages: [Message]) {
        guard let address, !messages.isEmpty else { return }
        let text = messages.map { $0.text + "\n" }.joined()
        try? Datagram.send(Array(text.utf8), to: address, seconds: 1)
    }
}

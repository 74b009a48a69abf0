// Lines for a syslog daemon, in the form that gunicorn gives them, so that the filters of its users go on working:
// `<PRI>gunicorn.PREFIX.error: [PID] message`. Law: a line is one message, and nothing waits for the daemon.

package import EvLoop
import EvServer
import Glibc
package import Logging

/// Where and how.
package struct SyslogSettings: Equatable, Sendable {
    package var destination: LogDestination
    /// The name of the app.
    package var prefix: String
    /// A code of RFC 5424, section 6.2.1.
    package var facility: Int32
}

/// One log of this process as a syslog daemon sees it.
package final class Syslog {
    private let socket: LogSocket
    private let facility: Int32
    /// `gunicorn.PREFIX.error: `
    private let program: [UInt8]
    private var message: [UInt8] = []

    /// - Parameter log: `error` or `access`.
    package init(_ settings: SyslogSettings, log: String) {
        socket = LogSocket(settings.destination)
        facility = settings.facility
        // Whatever the name is, a message is one line, and its program ends at the colon.
        let name = settings.prefix.unicodeScalars.map { $0.value > 0x20 && $0.value != 0x7F && $0 != ":" ? $0 : "." }
        var text = String.UnicodeScalarView()
        text.append(contentsOf: name)
        program = Array("gunicorn.\(String(text)).\(log): ".utf8)
    }

    /// Sends each line as a message.
    package func write(_ lines: UnsafeRawBufferPointer, level: Logger.Level = .info) {
        let priority = facility << 3 | Self.severity(of: level)
        for line in lines.split(separator: UInt8(ascii: "\n")) {
            message.removeAll(keepingCapacity: message.capacity <= 16_384)
            message.append(UInt8(ascii: "<"))
            message.append(contentsOf: String(priority).utf8)
            message.append(UInt8(ascii: ">"))
            message.append(contentsOf: program)
            message.append(UInt8(ascii: "["))
            message.append(contentsOf: String(getpid()).utf8)
            message.append(contentsOf: "] ".utf8)
            message.append(contentsOf: line)
            message.append(UInt8(ascii: "\n"))
            message.withUnsafeBytes { socket.send($0) }
        }
    }

    package func retry() -> Bool { socket.retry() }
    package var waitingDescriptor: Int32? { socket.waitingDescriptor }
    package func finish(seconds: Double) { socket.finish(seconds: seconds) }
    package func takeLost() -> LostLines { socket.takeLost() }

    /// RFC 5424, section 6.2.1.
    private static func severity(of level: Logger.Level) -> Int32 {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}

/// The access log's lines, for a syslog daemon.
final class SyslogSink: AccessLogSink {
    private let syslog: Syslog
    let name = "the access log in syslog"

    init(_ syslog: Syslog) { self.syslog = syslog }

    func write(_ lines: UnsafeRawBufferPointer) { syslog.write(lines) }
    func retry() -> Bool { syslog.retry() }
    var waitingDescriptor: Int32? { syslog.waitingDescriptor }
    func finish() { syslog.finish(seconds: 0.5) }
    func takeLost() -> LostLines { syslog.takeLost() }
}

// Who else gets logs and metrics: a syslog daemon, a statsd collector. Their addresses are looked up here, in the
// master, at the start and at a reload; each process opens sockets of its own.

import EvLoop
import EvSettings

struct Collectors: Equatable {
    let syslog: SyslogSettings?
    /// The access log goes to syslog, too.
    let sendsAccessLog: Bool
    let statsd: StatsdSettings?

    init(_ settings: Settings) throws(ConfigurationError) {
        let configuration = settings.configuration
        sendsAccessLog = configuration.syslog && !configuration.keepsAccessLogFromSyslog
        syslog =
            try configuration.syslog
            ? SyslogSettings(
                destination: Self.destination(settings, "syslog_addr") { () throws(ValueError) in
                    try LogAddress(syslog: configuration.syslogAddress)
                }, prefix: configuration.syslogPrefix ?? configuration.application ?? "evgateway",
                facility: configuration.syslogFacility.code) : nil
        if let address = configuration.statsdAddress {
            statsd = StatsdSettings(
                destination: try Self.destination(settings, "statsd_host") { () throws(ValueError) in
                    try LogAddress(statsd: address)
                }, prefix: configuration.statsdPrefix, tags: configuration.dogstatsdTags)
        } else {
            statsd = nil
        }
    }

    private static func destination(
        _ settings: Settings, _ name: String, _ address: () throws(ValueError) -> LogAddress
    ) throws(ConfigurationError) -> LogDestination {
        let reason: String
        do {
            return try LogDestination(try address())
        } catch let error as ValueError {
            reason = error.reason
        } catch let error as LogAddressError {
            reason = error.reason
        } catch {
            reason = "\(error)"
        }
        throw ConfigurationError(settings.label(of: name), reason: reason)
    }
}

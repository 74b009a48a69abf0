// The rows about logs and metrics.

import EvLoop

extension Setting {
    static let loggingRows = [
        Setting(
            "accesslog", "--access-logfile", .logging, .text(\.accessLogFile, .file), value: "file",
            "Where requests are logged; '-': standard output; else nowhere."),
        Setting(
            "access_log_format", "--access-logformat", .logging, .text(\.accessLogFormat), value: "format",
            "The access log's line: in gunicorn's %(x)s atoms, or json, or logfmt.",
            details: "h l u t r m U q H s B b f a T M D L p {name}i {name}o {name}e; others print '-'."),
        Setting(
            "access_log_client", "--access-log-client", .logging, .choice(\.accessLogClient), value: "name",
            "The address in the access log: peer (REMOTE_ADDR, see --proxy-headers) or real (of the client that "
                + "trusted proxies name)."),
        Setting(
            "access_log_skip", "--access-log-skip", .logging, .texts(\.accessLogSkip), value: "rule",
            "Requests that are not logged: /healthz, /static/*, 2xx, method=HEAD; repeatable, or with commas.",
            details: "Of a rule of several words, separated by spaces, all have to fit: '/healthz 2xx'."),
        Setting(
            "access_log_slow", "--access-log-slow", .logging, .seconds(\.accessLogSlow), value: "seconds",
            "Log only requests that took so long, and those answered with 500 or more; 0: all."),
        Setting(
            "errorlog", "--error-logfile --log-file", .logging, .text(\.errorLogFile, .file), value: "file",
            "Where everything else is logged; '-': standard error."),
        Setting(
            "slow_request", "--slow-request", .logging, .seconds(\.slowRequest), value: "seconds",
            "Log a request that has run for so long, once and while it runs, with the stack of its code; 0: none."),
        Setting(
            "loglevel", "--log-level", .logging, .choice(\.logLevel, also: ["warn": .warning, "trace": .debug]),
            value: "level", "debug, info, warning, error or critical."),
        Setting(
            "syslog", "--log-syslog", .logging, .toggle(\.syslog),
            "Send both logs to syslog too."),
        Setting(
            "syslog_addr", "--log-syslog-to", .logging, .syslogAddress, value: "address",
            "The syslog daemon: udp://HOST:PORT, tcp://HOST:PORT, unix://PATH, unix://PATH#dgram or #stream."),
        Setting(
            "syslog_prefix", "--log-syslog-prefix", .logging, .plainText(\.syslogPrefix), value: "text",
            "PREFIX of gunicorn.PREFIX.error, the program in syslog's messages; else APP."),
        Setting(
            "syslog_facility", "--log-syslog-facility", .logging,
            .choice(\.syslogFacility, also: ["security": .auth]), value: "name", "The facility of the messages."),
        Setting(
            "disable_redirect_access_to_syslog", "--disable-redirect-access-to-syslog", .logging,
            .toggle(\.keepsAccessLogFromSyslog), "With --log-syslog: send the error log alone."),
        Setting(
            "statsd_host", "--statsd-host", .logging, .statsdAddress, value: "address",
            "Send metrics to the statsd at HOST:PORT or unix://PATH."),
        Setting(
            "statsd_prefix", "--statsd-prefix", .logging, .plainText(\.statsdPrefix), value: "text",
            "What stands before the names of metrics; a dot is added."),
        Setting(
            "dogstatsd_tags", "--dogstatsd-tags", .logging, .plainText(\.dogstatsdTags), value: "tags",
            "Tags for every metric, as DogStatsD takes them: tag:value,tag."),
        Setting(
            "enable_backlog_metric", "--enable-backlog-metric", .logging, .toggle(\.measuresBacklog),
            "Send how many connections wait to be accepted, once a second."),
    ]
}

/// `--log-syslog-facility`.
package enum SyslogFacility: String, CaseIterable, Sendable {
    case auth, authpriv, cron, daemon, ftp, kern, lpr, mail, news, syslog, user, uucp
    case local0, local1, local2, local3, local4, local5, local6, local7

    /// RFC 5424, section 6.2.1.
    package var code: Int32 {
        switch self {
        case .kern: 0
        case .user: 1
        case .mail: 2
        case .daemon: 3
        case .auth: 4
        case .syslog: 5
        case .lpr: 6
        case .news: 7
        case .uucp: 8
        case .cron: 9
        case .authpriv: 10
        case .ftp: 11
        case .local0: 16
        case .local1: 17
        case .local2: 18
        case .local3: 19
        case .local4: 20
        case .local5: 21
        case .local6: 22
        case .local7: 23
        }
    }
}

extension Kind {
    static let syslogAddress = Kind(
        .value, reset: { $0.syslogAddress = GatewayConfiguration().syslogAddress },
        show: { .text($0.syslogAddress) }
    ) { configuration, value throws(ValueError) in
        let text = try ValueReader.text(value)
        _ = try LogAddress(syslog: text)
        configuration.syslogAddress = text
    }

    static let statsdAddress = Kind(
        .value, reset: { $0.statsdAddress = nil }, show: { $0.statsdAddress.map { .text($0) } ?? .none }
    ) { configuration, value throws(ValueError) in
        let text = try ValueReader.text(value)
        _ = try LogAddress(statsd: text)
        configuration.statsdAddress = text
    }

    /// A text that goes into messages and metrics: without control characters; it may be empty.
    static func plainText(_ path: Path<String>) -> Kind {
        Kind(.value, reset: { $0[keyPath: path] = "" }, show: { .text($0[keyPath: path]) }) {
            configuration, value throws(ValueError) in
            configuration[keyPath: path] = try plain(value)
        }
    }

    static func plainText(_ path: Path<String?>) -> Kind {
        Kind(.value, reset: { $0[keyPath: path] = nil }, show: { $0[keyPath: path].map { .text($0) } ?? .none }) {
            configuration, value throws(ValueError) in
            let text = try plain(value)
            configuration[keyPath: path] = text.isEmpty ? nil : text
        }
    }

    private static func plain(_ value: SettingValue) throws(ValueError) -> String {
        let text = try ValueReader.text(value)
        guard text.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F }) else {
            throw ValueError("the value has a control character")
        }
        return text
    }
}

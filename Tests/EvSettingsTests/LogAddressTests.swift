import EvLoop
import EvSettings
import Testing

@Suite struct LogAddressTests {
    @Test(arguments: [
        ("udp://localhost:514", LogAddress.udp(host: "localhost", port: 514)),
        ("udp://", .udp(host: "localhost", port: 514)), ("tcp://Log.Example:1", .tcp(host: "log.example", port: 1)),
        ("udp://[::1]:99", .udp(host: "::1", port: 99)), ("udp://[::1]", .udp(host: "::1", port: 514)),
        ("unix:///dev/log", .unix(path: "/dev/log", .either)),
        ("unix:///dev/log#dgram", .unix(path: "/dev/log", .datagram)),
        ("unix:///dev/log#stream", .unix(path: "/dev/log", .stream)),
    ])
    func syslogAddressIsReadAsGunicornDoes(_ text: String, _ expected: LogAddress) throws {
        #expect(try LogAddress(syslog: text) == expected)
    }

    @Test(arguments: [
        "", "localhost:514", "udp://h:", "udp://h:0", "udp://h:65536", "tcp://h:x", "unix://", "unix:///a#b",
    ])
    func syslogAddressThatIsNoneIsRefused(_ text: String) {
        #expect(throws: ValueError.self) { try LogAddress(syslog: text) }
    }

    @Test(arguments: [
        ("localhost:8125", LogAddress.udp(host: "localhost", port: 8125)), ("h", .udp(host: "h", port: 8125)),
        ("[::1]:9", .udp(host: "::1", port: 9)), ("unix:///run/s", .unix(path: "/run/s", .datagram)),
        ("unix:s", .unix(path: "s", .datagram)), ("unix:81", .udp(host: "unix", port: 81)),
    ])
    func statsdAddressIsReadAsGunicornDoes(_ text: String, _ expected: LogAddress) throws {
        #expect(try LogAddress(statsd: text) == expected)
    }

    @Test(arguments: ["", "h:x", "h:0", "unix://"])
    func statsdAddressThatIsNoneIsRefused(_ text: String) {
        #expect(throws: ValueError.self) { try LogAddress(statsd: text) }
    }
}

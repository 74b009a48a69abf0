import EvLoop
import EvSettings
import Testing

@Suite struct PrefaceRowsTests {
    @Test(
        arguments: [
            ([], ProxyProtocol.off), (["--proxy-protocol"], .auto), (["--proxy-protocol", "v1"], .v1),
            (["--proxy-protocol=V2"], .v2), (["--proxy-protocol", "auto"], .auto), (["--proxy-protocol", "OFF"], .off),
            (["--proxy-protocol", "true"], .auto), (["--proxy-protocol=0"], .off), (["--proxy-proto"], .auto),
            (["--proxy-protocol", "-w", "2"], .auto), (["--proxy-protocol", "v1", "--proxy-protocol"], .auto),
            (["--enable-proxy-protocol"], .v1), (["--http-enable-proxy-protocol"], .v1),
        ] as [([String], ProxyProtocol)])
    func modeIsAsGunicornTakesIt(words: [String], expected: ProxyProtocol) throws {
        #expect(try configured(words).proxyProtocol == expected)
    }

    @Test func aWordThatIsNoModeIsTheApp() throws {
        let line = try CommandLine(["--proxy-protocol", "shop:app"])
        #expect(line.application == "shop:app" && line.assignments.first?.value == .text("auto"))
        #expect(try CommandLine(["--proxy-protocol", "v1", "shop:app"]).application == "shop:app")
    }

    @Test(arguments: [
        (SettingValue.boolean(true), ProxyProtocol.auto), (.boolean(false), .off), (.text("v2"), .v2),
        (.integer(1), .auto),
        (.none, .off), (.text("False"), .off),
    ])
    func aFileMayHaveASwitch(value: SettingValue, expected: ProxyProtocol) throws {
        #expect(try configured([], file: [FileSetting("proxy_protocol", value)]).proxyProtocol == expected)
    }

    @Test func anotherModeIsRefused() {
        #expect(throws: ConfigurationError.self) { try configured(["--proxy-protocol=v3"]) }
        #expect(throws: ConfigurationError.self) {
            try configured([], file: [FileSetting("proxy_protocol", .list([.text("v1")]))])
        }
    }

    @Test(
        arguments: [
            ([], ["127.0.0.1", "::1"]), (["--proxy-allow-from", "10.0.0.0/8, ::1"], ["10.0.0.0/8", "::1"]),
            (["--proxy-allow-from", "*"], ["*"]), (["--proxy-allow-from="], []),
        ] as [([String], [String])])
    func sendersAreAddressesAndNetworks(words: [String], expected: [String]) throws {
        #expect(try configured(words).proxySenders.texts == expected)
    }

    @Test(arguments: ["localhost", "10.0.0.1/8", "127.0.0.1,x", "unix:"])
    func whatIsNoAddressIsRefused(text: String) {
        #expect(throws: ConfigurationError.self) { try configured(["--proxy-allow-from", text]) }
    }

    @Test func aListOfAFileIsTaken() throws {
        let list = SettingValue.list([.text("192.0.2.1"), .text("fd00::/8")])
        #expect(
            try configured([], file: [FileSetting("proxy_allow_ips", list)]).proxySenders.texts
                == ["192.0.2.1", "fd00::/8"])
    }
}

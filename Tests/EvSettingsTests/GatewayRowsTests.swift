import EvLoop
import EvSettings
import Testing

@Suite struct GatewayRowsTests {
    @Test(
        arguments: [
            ([], [:]), (["-b", "http://:80"], [:]), (["--protocol", "http"], [:]),
            (["--protocol", "uwsgi"], ["127.0.0.1:8000": .uwsgi]),
            (["--protocol=FCGI", "-b", ":80,http://:81"], ["0.0.0.0:80": .fastcgi]),
            (["-b", "uwsgi://:80", "-b", ":81", "-b", "scgi://[::1]:82"], ["0.0.0.0:80": .uwsgi, "[::1]:82": .scgi]),
            (
                ["-b", "fastcgi://unix:/run/a,scgi://fd://3,uwsgi://unix:@n,uwsgi://fd://web"],
                ["unix:/run/a": .fastcgi, "fd://3": .scgi, "unix:@n": .uwsgi, "fd://web": .uwsgi]
            ),
            (["--host", "h", "--port", "1", "--protocol", "scgi"], ["h:1": .scgi]),
            (["--socket", "/tmp/a.sock"], ["unix:/tmp/a.sock": .uwsgi]), (["-s", "*:80"], ["0.0.0.0:80": .uwsgi]),
            (["--socket", ":80", "--protocol=http"], [:]),
            (["--protocol", "scgi", "--socket", ":80"], ["0.0.0.0:80": .scgi]),
            (
                ["--uwsgi-socket", ":1", "--fastcgi-socket", ":2", "--scgi-socket=:3", "--http-socket", ":4"],
                ["0.0.0.0:1": .uwsgi, "0.0.0.0:2": .fastcgi, "0.0.0.0:3": .scgi]
            ),
        ] as [([String], [String: AddressProtocol])])
    func addressesHaveTheirProtocol(words: [String], expected: [String: AddressProtocol]) throws {
        #expect(try configured(words).gatewayProtocols == expected)
    }

    @Test func theLastSourceOfAddressesCounts() throws {
        let file = [FileSetting("bind", .list([.text("uwsgi://:80")])), FileSetting("protocol", .text("scgi"))]
        #expect(try configured([], file: file).bindTexts == ["uwsgi://0.0.0.0:80"])
        #expect(try configured(["-b", ":80"], file: file).gatewayProtocols == ["0.0.0.0:80": .scgi])
        #expect(try configured(["-b", "http://:80"], file: file).bindTexts == ["http://0.0.0.0:80"])
    }

    @Test(arguments: [
        (["-b", "uwsgi://:80,:80"], "'0.0.0.0:80' cannot have two protocols"),
        (["-b", "uwsgi://:80", "-b", "scgi://0.0.0.0:80"], "'0.0.0.0:80' cannot have two protocols"),
        (["-b", "uwsgi://"], "the address is empty"), (["-b", "ftp://:80"], "expected HOST:PORT"),
        (["-b", "uwsgi://scgi://:80"], "expected HOST:PORT"),
        (["--protocol", "gopher"], "'gopher' is unknown: choose http, https, uwsgi, fastcgi or scgi"),
        (["--uwsgi-allow-from", "nginx"], "nginx"),
    ])
    func whatCannotBeIsRefused(words: [String], reason: String) {
        let error = #expect(throws: (any Error).self) { try configured(words) }
        #expect("\(error.map { "\($0)" } ?? "")".contains(reason))
    }

    @Test func sendersAreOfThisMachine() throws {
        #expect(try configured([]).gatewaySenders == .loopback)
        #expect(try configured(["--uwsgi-allow-from", "10.0.0.0/8"]).gatewaySenders == AddressSet(["10.0.0.0/8"]))
        let file = [FileSetting("uwsgi_allow_ips", .text("*"))]
        #expect(try configured([], file: file).gatewaySenders.isEverybody)
    }
}

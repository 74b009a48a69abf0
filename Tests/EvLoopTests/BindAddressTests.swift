import EvLoop
import Testing

@Suite struct BindAddressTests {
    @Test(arguments: [
        ("127.0.0.1:8080", BindAddress.tcp(host: "127.0.0.1", port: 8080)),
        ("localhost:0", .tcp(host: "localhost", port: 0)),
        ("example.org", .tcp(host: "example.org", port: 8000)),
        (":9000", .tcp(host: "0.0.0.0", port: 9000)),
        ("[::1]:65535", .tcp(host: "::1", port: 65535)),
        ("[::]", .tcp(host: "::", port: 8000)),
        ("tcp://10.0.0.1:80", .tcp(host: "10.0.0.1", port: 80)),
        ("unix:/run/app.sock", .unix(path: "/run/app.sock")),
        ("unix://run/app.sock", .unix(path: "run/app.sock")),
        ("unix:///run/app.sock", .unix(path: "/run/app.sock")),
        ("unix:relative.sock", .unix(path: "relative.sock")),
        ("unix:@name", .abstract(name: "name")),
        ("fd://3", .inherited(fileDescriptor: 3)), ("fd://web.socket", .named("web.socket")),
    ])
    func parses(text: String, expected: BindAddress) throws {
        #expect(try BindAddress(parsing: text) == expected)
    }

    @Test(arguments: [
        "", ":", "host:", "host:http", "host:65536", "host:-1", "host:+1", "host:99999999999999999999", "host:8 0",
        "::1", "::1:8000", "[::1", "[::1]8000", "[::1]:", "[localhost]:80", "[]:80", "8000", "http://host:80",
        "host/path:80", "host:٣", "unix:", "unix://", "unix:@", "fd://", "fd://3x", "fd://-1", "fd://99999999999",
        "unix:/a\u{0}b", "a b:80",
    ])
    func refuses(text: String) {
        #expect(throws: BindAddressError.self) { try BindAddress(parsing: text) }
    }

    @Test func limitsUnixNamesToWhatTheKernelTakes() throws {
        let longest = String(repeating: "x", count: 107)
        #expect(try BindAddress(parsing: "unix:\(longest)") == .unix(path: longest))
        #expect(throws: BindAddressError.self) { try BindAddress(parsing: "unix:\(longest)x") }
        #expect(try BindAddress(parsing: "unix:@\(longest)") == .abstract(name: longest))
        #expect(throws: BindAddressError.self) { try BindAddress(parsing: "unix:@\(longest)x") }
    }

    @Test func saysHowToWriteWhatItRefuses() {
        #expect {
            try BindAddress(parsing: "8000")
        } throws: { error in
            "\(error)" == "Cannot listen on 8000: a port alone is written :8000"
        }
    }

    @Test(arguments: [
        ("127.0.0.1:8080", "http://127.0.0.1:8080"), ("[::1]:80", "http://[::1]:80"), (":1", "http://0.0.0.0:1"),
        ("unix:/run/x.sock", "unix:/run/x.sock"), ("unix:@x", "unix:@x"), ("fd://3", "fd://3"),
    ])
    func describesItselfAsInTheLog(text: String, expected: String) throws {
        #expect(try BindAddress(parsing: text).description == expected)
    }
}

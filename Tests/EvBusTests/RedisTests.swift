// What is said about Redis, and what is said through it.
import EvLoop
import Testing

@testable import EvBus

@Suite struct RedisAddressTests {
    @Test func readsAllForms() throws {
        let plain = try RedisAddress("redis://host")
        #expect(plain.stream == .tcp(host: "host", port: 6379) && plain.tlsHost == nil && plain.password == nil)
        #expect(plain.prefix == "evgateway:" && plain.database == 0)
        let all = try RedisAddress("rediss://me:p%40ss%2Fw:rd@[::1]:7000/12?my:")
        #expect(all.stream == .tcp(host: "::1", port: 7000) && all.tlsHost == "::1")
        #expect(all.user == "me" && all.password == "p@ss/w:rd" && all.database == 12 && all.prefix == "my:")
        #expect("\(all)" == "rediss://[::1]:7000/12", "without the password")
        #expect(try RedisAddress("redis://:secret@h/").user == nil)
        #expect(try RedisAddress("redis://:secret@h/").password == "secret")
        #expect(try RedisAddress("unix:/run/r.sock?x").stream == .unix(path: "/run/r.sock"))
        #expect(try RedisAddress("unix:///run/r%20.sock").stream == .unix(path: "/run/r .sock"))
    }

    @Test(arguments: [
        "", "redis", "redis://", "http://host", "redis://host:0", "redis://host:65536", "redis://host:x", "redis://h/x",
        "redis://user@host", "redis://h?", "unix:relative", "redis://[::1", "redis://[::1]x", "redis://%zz:1@h",
        "redis://:%00@h", "redis://h/123456", "redis://a b", "redis://:6379", "redis://h:99999999999999999999",
    ])
    func refusesOthers(_ text: String) { #expect(throws: RedisAddress.Malformed.self) { try RedisAddress(text) } }
}

@Suite struct RedisMessagesTests {
    private let origin = (0..<16).map { UInt8($0) }

    @Test func comeBackAsTheyWere() {
        let sent = RedisMessages(origin: origin, first: 1 << 40, messages: [([1], []), ([2, 3], Array(0...255))])
        #expect(RedisMessages(sent.bytes) == sent)
    }

    @Test func whatIsCutIsNothing() {
        let bytes = RedisMessages(origin: origin, first: 7, messages: [([1], [2]), ([3], [4, 5])]).bytes
        for count in 0..<bytes.count where RedisMessages(Array(bytes[..<count])) != nil {
            // At the end of a message it is whole.
            #expect(count == RedisMessages.headSize || count == RedisMessages.headSize + 8)
        }
        #expect(RedisMessages(bytes + [0]) == nil)
    }

    @Test func randomBytesNeverTrap() {
        var random = SystemRandomNumberGenerator()
        let head = Array("EVB1".utf8) + origin + [UInt8](repeating: 0, count: 8)
        for _ in 0..<20_000 {
            let rest = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            _ = RedisMessages(head + rest)
            var header = rest
            header += [UInt8](repeating: 0, count: max(0, PacketHeader.size - rest.count))
            header.withUnsafeBytes { bytes in
                _ = PacketHeader(bytes)
                var left = bytes
                while PackedMessage.take(from: &left) != nil {}
            }
        }
    }
}

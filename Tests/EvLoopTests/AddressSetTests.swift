import EvLoop
import Testing

@Suite struct AddressSetTests {
    private func peer(_ text: String) throws -> PeerAddress { try #require(PeerAddress(parsing: text)) }

    @Test(arguments: [
        ("127.0.0.1", "127.0.0.1", true), ("127.0.0.1", "127.0.0.2", false), ("127.0.0.1", "::1", false),
        ("10.0.0.0/8", "10.255.0.1", true), ("10.0.0.0/8", "11.0.0.0", false), ("0.0.0.0/0", "192.0.2.1", true),
        ("0.0.0.0/0", "::1", false), ("192.168.4.0/22", "192.168.7.255", true),
        ("192.168.4.0/22", "192.168.8.0", false), ("::1", "::1", true), ("::1", "0:0:0:0:0:0:0:1", true),
        ("fd00::/8", "fdff::1", true), ("fd00::/8", "fe00::1", false), ("2001:db8::/65", "2001:db8:0:0:7fff::", true),
        ("2001:db8::/65", "2001:db8:0:0:8000::", false), ("::/0", "2001:db8::1", true), ("::/0", "192.0.2.1", false),
        ("192.0.2.1", "::ffff:192.0.2.1", true), ("*", "203.0.113.9", true),
    ])
    func containsWhatTheNetworkHas(_ network: String, _ address: String, _ expected: Bool) throws {
        #expect(try AddressSet([network]).contains(peer(address)) == expected)
    }

    @Test func isTheUnionOfItsEntries() throws {
        let set = try AddressSet(["127.0.0.1", "fd00::/8"])
        #expect(try set.contains(peer("127.0.0.1")) && set.contains(peer("fd12::1")) && !set.contains(peer("::1")))
        #expect(try !AddressSet().contains(peer("127.0.0.1")))
    }

    @Test func hasPeersWithoutAnAddressOnlyAsEverybody() throws {
        #expect(try !AddressSet(["0.0.0.0/0", "::/0"]).contains(PeerAddress()))
        #expect(try AddressSet(["*"]).contains(PeerAddress()))
    }

    @Test(arguments: [
        "", "localhost", "127.1", "127.0.0.1/33", "::/129", "10.0.0.0/", "10.0.0.0/ 8", "10.0.0.0/-1", "10.0.0.0/+8",
        "192.168.1.1/24", "fd00::1/8", "010.0.0.1", "1.2.3.4.5", "[::1]", "fe80::1%eth0", "127.0.0.1 ", "**",
        "unix:/run/x", "10.0.0.0/8/8", "::ffff:10.0.0.0/104",
    ])
    func refusesWhatIsNoNetwork(_ text: String) {
        #expect(throws: AddressSetError.self) { try AddressSet([text]) }
    }

    @Test(arguments: [
        "1", "1.2.3", "1.2.3.4\0", "::ffff:1.2.3.4.5", ":::", "12345::", "1:2:3:4:5:6:7:8:9", "::1%1", "0x7f.0.0.1",
        String(repeating: "1", count: 300), ":", "é::1",
    ])
    func readsNoAddressFrom(_ text: String) { #expect(PeerAddress(parsing: text) == nil) }

    @Test(arguments: [
        ("192.0.2.7", "192.0.2.7"), ("2001:DB8:0::1", "2001:db8::1"), ("::ffff:192.0.2.7", "192.0.2.7"), ("::", "::"),
    ])
    func writesAddressesInOneForm(_ text: String, _ expected: String) throws {
        #expect(try peer(text).host == expected)
    }
}

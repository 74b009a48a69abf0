// What TLS is spoken with, on its way from the master to its workers; and the keys of tickets, which no worker is told.

import CTLS
@testable import EvServer
import Testing

@Suite struct TLSMaterialTests {
    private var material: TLSMaterial {
        func identity(_ name: String) -> TLSMaterial.Identity {
            TLSMaterial.Identity(
                chainName: "\(name).pem", chain: Array("chain of \(name)".utf8), keyName: "\(name).key", key: [0, 255])
        }
        var material = TLSMaterial(identity("main"), ticketSecret: Array(0..<32))
        material.standard.staple = [48, 3]
        material.named = ["a.example": identity("a"), "*.b.example": identity("b")]
        material.authorities = Array("authorities".utf8)
        material.clients = .required
        material.password = ""
        material.ciphers = "A:B"
        material.minimumVersion = 0x0304
        material.protocols = ["h2", "http/1.1"]
        return material
    }

    @Test func bytesAreTheSameMaterial() {
        #expect(TLSMaterial(bytes: material.bytes) == material)
        var least = TLSMaterial(material.standard, ticketSecret: [])
        least.standard.staple = []
        #expect(TLSMaterial(bytes: least.bytes) == least)
    }

    /// As a worker may read them while the master writes.
    @Test func bytesThatAreCutAreOtherMaterialOrNone() {
        let bytes = material.bytes
        for count in 0..<bytes.count { #expect(TLSMaterial(bytes: Array(bytes[..<count])) != material) }
    }

    @Test func brokenPartsAreNamed() {
        var broken = material
        #expect(throws: TLSError.self) { try TLSServer(broken) }
        broken.standard.chain = []
        do {
            _ = try TLSServer(broken)
        } catch {
            #expect(error.part == .certificate && error.reason == "no certificate in main.pem (PEM)")
        }
    }

    @Test func sessionsOfOtherRulesForClientsAreOfAnotherRealm() {
        var other = material
        other.clients = .optional
        #expect(other.realm != material.realm)
        other = material
        other.authorities += [0]
        #expect(other.realm != material.realm)
        other = material
        other.standard.key = []
        #expect(other.realm == material.realm)
    }
}

@Suite struct TicketKeyTests {
    private func key(_ secret: UInt8, _ number: UInt64) -> [UInt8] {
        var key = evg_tls_ticket_key()
        let secret = [UInt8](repeating: secret, count: 32)
        #expect(evg_tls_ticket_key_at(secret, number, &key))
        return withUnsafeBytes(of: key) { Array($0) }
    }

    @Test func keysFollowFromSecretAndPeriod() {
        #expect(key(1, 7) == key(1, 7))
        let keys = [key(1, 7), key(1, 8), key(2, 7), key(1, 7 << 32)]
        for (place, one) in keys.enumerated() {
            #expect(one.count == 80 && !keys[..<place].contains(one))
            // Name, cipher and MAC have nothing in common.
            #expect(Array(one[..<16]) != Array(one[16..<32]) && Array(one[16..<48]) != Array(one[48...]))
        }
    }
}

@Suite struct TLSRecordTests {
    @Test(arguments: [
        ("GET / HTTP/1.1\r\n", true), ("get", true), ("\r\nPOST", true), ("P", true), ("\u{16}\u{3}\u{1}", false),
        ("\0\0\0", false), ("1GE", false),
    ])
    func plainHTTPIsRecognized(text: String, isHTTP: Bool) {
        let bytes = Array(text.utf8)
        #expect(bytes.withUnsafeBytes { TLSRecord.looksLikeHTTP($0) } == isHTTP)
    }

    @Test func helloIsRecognizedByItsSecondByte() {
        func isHello(_ bytes: [UInt8]) -> Bool { bytes.withUnsafeBytes { TLSRecord.isHello($0) } }
        #expect(
            isHello([22, 3]) && isHello([22, 3, 1, 0]) && !isHello([22]) && !isHello([22, 13, 10]) && !isHello([]))
    }
}

import EvLoop
import EvTestSupport
import Glibc
import Testing

@Suite struct OwnerTableTests {
    private static func hash(_ number: Int, _ table: OwnerTable) -> UInt64 {
        withUnsafeBytes(of: number) { table.hash($0) }
    }

    /// From the paper's appendix: the key is 00 to 0f, the text 00 to 0e.
    @Test func hashIsSipHash() {
        let hash = KeyedHash(0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908)
        let bytes: [UInt8] = Array(0..<15)
        #expect(bytes.withUnsafeBytes { hash($0) } == 0xa129_ca61_49be_45e5)
        #expect(KeyedHash()(UnsafeRawBufferPointer(start: nil, count: 0)) != KeyedHash()(.init(start: nil, count: 0)))
    }

    @Test func ownerIsFoundUntilAnotherClaims() throws {
        let table = try OwnerTable(buckets: 16)
        let key = Self.hash(1, table)
        #expect(table.owner(of: key, now: 10) == nil)
        #expect(table.claim(key, by: 3, now: 10) == .new)
        #expect(table.claim(key, by: 3, now: 11) == .known)
        #expect(table.owner(of: key, now: 500) == 3)
        #expect(table.claim(key, by: 4, now: 501) == .new)
        #expect(table.owner(of: key, now: 502) == 4)
        #expect(table.owner(of: Self.hash(2, table), now: 502) == nil)
    }

    @Test func fullBucketLosesWhatWasUsedLongestAgo() throws {
        let table = try OwnerTable(buckets: 1)
        for number in 0..<8 { #expect(table.claim(Self.hash(number, table), by: 1, now: Double(100 * number)) == .new) }
        // The first is used once more, and so the second goes.
        #expect(table.owner(of: Self.hash(0, table), now: 1000) == 1)
        #expect(table.claim(Self.hash(8, table), by: 2, now: 1001) == .replaced)
        #expect(table.owner(of: Self.hash(0, table), now: 1002) == 1)
        #expect(table.owner(of: Self.hash(1, table), now: 1002) == nil)
        #expect(table.owner(of: Self.hash(8, table), now: 1002) == 2)
    }

    @Test func keysOfAnotherProcessAreFound() throws {
        // So many that nine of the keys share one in none of 10^9 runs.
        let table = try OwnerTable(buckets: 1 << 14)
        let hashes = (0..<2000).map { Self.hash($0, table) }
        guard let child = try Fork.fork() else {
            for hash in hashes { _ = table.claim(hash, by: 7, now: 1) }
            Fork.exitChild(0)
        }
        var status: Int32 = -1
        waitpid(child, &status, 0)
        #expect(status == 0)
        let found = hashes.count { table.owner(of: $0, now: 2) == 7 }
        #expect(found == hashes.count)
    }
}

// Which worker owns a key, in memory that all workers share: made before the fork, of a fixed size, without locks.
// Pages that no key has come to cost nothing. Law: what is found was written for just this key; what is full loses the
// entry that was used longest ago.

import CEvLoop
import Glibc

package final class OwnerTable: Sendable {
    /// What became of a key that a worker has claimed.
    package enum Claim: Equatable, Sendable {
        case known, new
        /// Another key has lost its place.
        case replaced
    }

    /// Entries of a bucket: two cache lines.
    private static let ways = 8
    /// An entry that was used within so many seconds is not written again.
    private static let freshness: UInt32 = 60

    package let hash = KeyedHash()
    private let buckets: Int
    /// Two words for each entry: the owner with the second of the last use, and that word xor the hash of the key. A
    /// reader that sees words of two different writers finds no key that fits, so no entry needs a lock.
    nonisolated(unsafe) private let words: UnsafeMutablePointer<UInt64>
    private let size: Int

    /// - Parameter buckets: of eight keys each; a power of two.
    package init(buckets: Int = 1 << 16) throws(SystemError) {
        precondition(buckets > 0 && buckets & (buckets - 1) == 0)
        self.buckets = buckets
        size = buckets * Self.ways * 16
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let memory, memory != MAP_FAILED else { throw SystemError("mmap") }
        words = memory.bindMemory(to: UInt64.self, capacity: size / 8)
    }

    deinit { munmap(words, size) }

    private func bucket(of hash: UInt64) -> UnsafeMutablePointer<UInt64> {
        words + Int(truncatingIfNeeded: hash & UInt64(buckets - 1)) * Self.ways * 2
    }

    private func entry(of hash: UInt64) -> (word: UnsafeMutablePointer<UInt64>, value: UInt64)? {
        let bucket = bucket(of: hash)
        for way in 0..<Self.ways {
            let word = bucket + 2 * way
            let value = evg_load64(word)
            if value != 0, evg_load64(word + 1) ^ value == hash { return (word, value) }
        }
        return nil
    }

    /// The worker that owns the key with this hash, by its ordinal (`ScoreboardSlot.age`); nil for nobody.
    package func owner(of hash: UInt64, now: Double) -> UInt32? {
        guard let (word, value) = entry(of: hash) else { return nil }
        refresh(word, value, hash, now)
        return UInt32(truncatingIfNeeded: value)
    }

    private func refresh(_ word: UnsafeMutablePointer<UInt64>, _ value: UInt64, _ hash: UInt64, _ now: Double) {
        guard Self.second(now) &- UInt32(truncatingIfNeeded: value >> 32) >= Self.freshness else { return }
        let newer = Self.value(UInt32(truncatingIfNeeded: value), now)
        if evg_replace64(word, value, newer) != 0 { evg_store64(word + 1, hash ^ newer) }
    }

    /// Makes a worker the owner of the key with this hash.
    /// - Parameter age: the worker's ordinal, from 1.
    package func claim(_ hash: UInt64, by age: UInt32, now: Double) -> Claim {
        let newValue = Self.value(age, now)
        if let (word, value) = entry(of: hash) {
            if UInt32(truncatingIfNeeded: value) == age {
                refresh(word, value, hash, now)
                return .known
            }
            if evg_replace64(word, value, newValue) != 0 { evg_store64(word + 1, hash ^ newValue) }
            return .new
        }
        let bucket = bucket(of: hash)
        // Who is overtaken by another worker looks again: as often as there are entries is enough.
        for _ in 0..<Self.ways {
            var oldest = bucket
            for way in 0..<Self.ways {
                let word = bucket + 2 * way
                if evg_load64(word) >> 32 < evg_load64(oldest) >> 32 { oldest = word }
            }
            let former = evg_load64(oldest)
            guard evg_replace64(oldest, former, newValue) != 0 else { continue }
            evg_store64(oldest + 1, hash ^ newValue)
            return former == 0 ? .new : .replaced
        }
        return .new
    }

    /// The second counts from 1, so that no entry is 0.
    private static func second(_ now: Double) -> UInt32 { UInt32(clamping: Int64(max(0, min(now, 4e9))) + 1) }
    private static func value(_ age: UInt32, _ now: Double) -> UInt64 { UInt64(second(now)) << 32 | UInt64(age) }
}

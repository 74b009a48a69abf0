// The channels of one process that somebody subscribes to, by the bucket of the filter that they belong to: when the
// last of a bucket goes, nobody needs to be asked whether the filter's bit may go too.

import EvLoop
import Glibc

/// A channel with its subscribers. It has to be small, because there may be a million.
@LoopActor
final class BusChannel {
    let name: [UInt8]
    let hash: UInt64
    /// Another one of the same bucket.
    fileprivate(set) var next: BusChannel?
    private var only: (any BusSubscriber)?
    private var several: SubscriberSet?

    fileprivate init(_ name: [UInt8], _ hash: UInt64, next: BusChannel?) {
        self.name = name
        self.hash = hash
        self.next = next
    }

    func isNamed(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard name.count == bytes.count else { return false }
        guard let start = bytes.baseAddress, !name.isEmpty else { return true }
        return name.withUnsafeBytes { memcmp($0.baseAddress ?? start, start, bytes.count) == 0 }
    }

    var isEmpty: Bool { only == nil && several?.isEmpty != false }

    func add(_ subscriber: any BusSubscriber) -> Bool {
        if let several { return several.add(subscriber) }
        guard let first = only else {
            only = subscriber
            return true
        }
        guard first !== subscriber else { return false }
        let several = SubscriberSet()
        _ = several.add(first)
        _ = several.add(subscriber)
        self.several = several
        only = nil
        return true
    }

    func remove(_ subscriber: any BusSubscriber) -> Bool {
        if let several { return several.remove(subscriber) }
        guard only === subscriber else { return false }
        only = nil
        return true
    }

    /// Calls all subscribers, who may come and go meanwhile. Returns how many it has called.
    func deliver(_ message: BusMessage) -> Int {
        if let several { return several.deliver(message) }
        guard let only else { return 0 }
        only.received(message)
        return 1
    }
}

/// Subscribers that come and go at the same price, however many there are.
@LoopActor
private final class SubscriberSet {
    private var members: [any BusSubscriber] = []
    private var places: [ObjectIdentifier: Int] = [:]
    private var changes = 0

    var isEmpty: Bool { members.isEmpty }

    func add(_ subscriber: any BusSubscriber) -> Bool {
        let identity = ObjectIdentifier(subscriber)
        guard places[identity] == nil else { return false }
        places[identity] = members.count
        members.append(subscriber)
        changes += 1
        return true
    }

    func remove(_ subscriber: any BusSubscriber) -> Bool {
        guard let place = places.removeValue(forKey: ObjectIdentifier(subscriber)) else { return false }
        let last = members.removeLast()
        if place < members.count {
            members[place] = last
            places[ObjectIdentifier(last)] = place
        }
        changes += 1
        return true
    }

    func deliver(_ message: BusMessage) -> Int {
        let (all, unchanged) = (members, changes)
        var called = 0
        for subscriber in all where changes == unchanged || places[ObjectIdentifier(subscriber)] != nil {
            subscriber.received(message)
            called += 1
        }
        return called
    }
}

@LoopActor
struct ChannelTable {
    private var buckets: [UInt32: BusChannel] = [:]
    private(set) var count = 0

    nonisolated init() {}

    nonisolated static func bucket(_ hash: UInt64) -> UInt32 {
        UInt32(truncatingIfNeeded: hash) & UInt32(BusGround.buckets - 1)
    }

    func find(_ hash: UInt64, _ name: UnsafeRawBufferPointer) -> BusChannel? {
        var candidate = buckets[Self.bucket(hash)]
        while let channel = candidate {
            if channel.hash == hash, channel.isNamed(name) { return channel }
            candidate = channel.next
        }
        return nil
    }

    /// Whether a channel of this bucket has a subscriber.
    func isWanted(_ bucket: UInt32) -> Bool { buckets[bucket] != nil }

    /// Adds a channel that is not there. Returns it, and whether it is the first of its bucket.
    mutating func insert(_ name: [UInt8], _ hash: UInt64) -> (channel: BusChannel, isFirst: Bool) {
        let bucket = Self.bucket(hash)
        let next = buckets[bucket]
        let channel = BusChannel(name, hash, next: next)
        buckets[bucket] = channel
        count += 1
        return (channel, next == nil)
    }

    /// Returns whether it was the last of its bucket.
    mutating func remove(_ channel: BusChannel) -> Bool {
        let bucket = Self.bucket(channel.hash)
        guard let first = buckets[bucket] else { return false }
        if first === channel {
            buckets[bucket] = channel.next
        } else {
            var before = first
            while let next = before.next, next !== channel { before = next }
            guard before.next === channel else { return false }
            before.next = channel.next
        }
        channel.next = nil
        count -= 1
        return buckets[bucket] == nil
    }

    /// The filter that these channels make.
    var filter: [UInt64] {
        var words = [UInt64](repeating: 0, count: BusGround.buckets / 64)
        for bucket in buckets.keys { words[Int(bucket / 64)] |= 1 << UInt64(bucket & 63) }
        return words
    }
}

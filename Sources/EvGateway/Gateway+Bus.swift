// The bus for Swift apps: messages between the workers of a server, and between servers.

import EvHost

/// Why a message cannot be published on the bus.
public enum BusError: Error, Equatable, Sendable {
    /// A channel has 1 to 1023 bytes, and a message at most 16 MB.
    case tooLong
    /// This process is no worker, or not any more.
    case noWorker
}

/// A message of the bus.
public struct BusNews: Sendable {
    public let payload: [UInt8]
    /// How many messages were lost before this one, because the subscriber was too slow or the server was cut off.
    public let missed: Int
}

/// The messages of one channel, as they come. It ends when it is released.
public struct BusChannelNews: AsyncSequence, Sendable {
    public typealias Element = BusNews
    let stream: AsyncStream<BusNews>

    public func makeAsyncIterator() -> AsyncStream<BusNews>.Iterator { stream.makeAsyncIterator() }
}

extension Gateway {
    /// Messages between the workers of this server, and between servers (`--bus`); see <doc:Bus>.
    public static var bus: GatewayBus { GatewayBus() }
}

/// ``Gateway/bus``.
public struct GatewayBus: Sendable {
    /// Sends a message to all subscribers of the channel, in whichever worker. Returns at once, on any thread.
    public func publish(_ payload: [UInt8], to channel: String) throws(BusError) {
        switch AppBus.publish(Array(channel.utf8), payload) {
        case .published: return
        case .tooLong: throw .tooLong
        case .noWorker: throw .noWorker
        }
    }

    /// The messages of a channel from now on.
    ///
    /// - Parameters:
    ///   - channel: up to 1023 bytes.
    ///   - limit: how many may wait; those that come then are lost, which ``BusNews/missed`` tells.
    public func subscribe(to channel: String, limit: Int = 1000) throws(BusError) -> BusChannelNews {
        let (stream, continuation) = AsyncStream<BusNews>.makeStream(bufferingPolicy: .bufferingOldest(limit))
        let missed = MissedCount()
        let inbox = InboxBox()
        inbox.inbox = AppInbox(most: limit) {
            for message in inbox.inbox?.take() ?? [] {
                let news = BusNews(payload: message.payload, missed: message.missed + missed.take())
                if case .dropped = continuation.yield(news) {
                    missed.add(1 + news.missed)
                    AppBus.noRoom()
                }
            }
        }
        guard let made = inbox.inbox, !channel.isEmpty, channel.utf8.count < 1024 else { throw .tooLong }
        guard let subscription = AppBus.subscribe(Array(channel.utf8), made) else { throw .noWorker }
        continuation.onTermination = { _ in
            subscription.close()
            inbox.inbox = nil
        }
        return BusChannelNews(stream: stream)
    }

    /// Calls for each message of a channel, on the loop, until the result is released or closed.
    public func subscribe(
        to channel: String, _ receive: @escaping @LoopActor @Sendable (BusNews) -> Void
    ) throws(BusError) -> BusCallback {
        guard !channel.isEmpty, channel.utf8.count < 1024 else { throw .tooLong }
        let box = InboxBox()
        let inbox = AppInbox(most: 1_000_000) {
            LoopActor.assumeIsolated {
                for message in box.inbox?.take() ?? [] {
                    receive(BusNews(payload: message.payload, missed: message.missed))
                }
            }
        }
        box.inbox = inbox
        guard let subscription = AppBus.subscribe(Array(channel.utf8), inbox) else { throw .noWorker }
        return BusCallback(subscription, box)
    }
}

/// A subscription with a callback.
public final class BusCallback: Sendable {
    private let subscription: AppSubscription
    private let box: InboxBox

    init(_ subscription: AppSubscription, _ box: InboxBox) {
        self.subscription = subscription
        self.box = box
    }

    deinit { close() }

    public func close() {
        subscription.close()
        box.inbox = nil
    }
}

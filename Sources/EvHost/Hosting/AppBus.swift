// The bus as the code of an app uses it, from any thread of a worker. Law: the caller never waits for the loop, and the
// loop never waits for the app: what it does not take is bounded, and what is dropped is counted.

import EvBus
import EvLoop
import EvServer
import Synchronization

package enum AppBus {
    /// What has become of a message that an app has published.
    package enum Published: Sendable { case published, tooLong, noWorker }

    private static let bus = Mutex<Bus?>(nil)

    /// In a worker, before its app is loaded, and with nil when it ends.
    @LoopActor static func begin(_ bus: Bus?) {
        self.bus.withLock { $0 = bus }
        bus?.gapObservers.append { AppReceivers.shared.missed($0) }
    }

    /// Channels of apps have a namespace of their own.
    private static func named(_ channel: [UInt8]) -> [UInt8] { [UInt8(ascii: "b")] + channel }

    private static func isName(_ channel: [UInt8]) -> Bool { 1..<Bus.longestChannel ~= channel.count }

    /// A subscription of the app has no room for a message. On the loop's thread.
    package static func noRoom(for messages: Int = 1) { Counted.add(UInt64(messages), at: Counter.busNoRoom) }

    /// Now if the caller runs on the loop's thread, else in the loop's next turn. What one thread publishes keeps its
    /// order.
    package static func publish(_ channel: [UInt8], _ payload: [UInt8]) -> Published {
        guard isName(channel), payload.count <= Bus.largestPayload else { return .tooLong }
        guard let bus = bus.withLock({ $0 }) else { return .noWorker }
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { _ = bus.publish(named(channel), payload) } }
        return .published
    }

    /// Subscribes now: whoever knows of this call, in any process, and publishes, is heard.
    ///
    /// - Returns: nil in a process that is no worker, or for a name that is empty or too long.
    package static func subscribe(_ channel: [UInt8], _ inbox: AppInbox) -> AppSubscription? {
        guard isName(channel), let bus = bus.withLock({ $0 }) else { return nil }
        let name = named(channel)
        bus.promise(name)
        LoopExecutor.shared.submit {
            LoopActor.assumeIsolated {
                AppReceivers.shared.add(inbox, name, bus)
                bus.keepPromise()
            }
        }
        return AppSubscription(inbox, name, bus)
    }
}

/// Where messages wait for the app, up to a bound.
package final class AppInbox: Sendable {
    package struct Message: Sendable {
        package let payload: [UInt8]
        /// How many were lost before this one, as far as that is known; at least one if any was.
        package let missed: Int
    }

    private struct State {
        var messages: [Message] = []
        var bytes = 0
        var missed = 0
        var isClosed = false
    }

    private let state = Mutex(State())
    private let most: Int
    private let news: @Sendable () -> Void

    /// Bytes that wait for one subscription, unless one message is larger.
    private static let bound = 8 << 20

    /// - Parameters:
    ///   - most: messages that wait.
    ///   - news: called on the loop's thread when there is a message, or a loss, and there was none before.
    package init(most: Int, news: @escaping @Sendable () -> Void) {
        self.most = max(1, most)
        self.news = news
    }

    fileprivate func add(_ payload: [UInt8]) {
        let isNew = state.withLock { state -> Bool in
            guard !state.isClosed else { return false }
            guard state.messages.count < most, state.bytes + payload.count <= Self.bound || state.messages.isEmpty
            else {
                state.missed += 1
                AppBus.noRoom()
                return false
            }
            state.messages.append(Message(payload: payload, missed: state.missed))
            state.missed = 0
            state.bytes += payload.count
            return state.messages.count == 1
        }
        if isNew { news() }
    }

    fileprivate func missed(_ count: Int) { state.withLock { $0.missed += count } }

    /// What has come, the oldest first.
    package func take() -> [Message] {
        state.withLock { state in
            let messages = state.messages
            (state.messages, state.bytes) = ([], 0)
            return messages
        }
    }

    fileprivate func close() {
        state.withLock { state in
            state.isClosed = true
            (state.messages, state.bytes) = ([], 0)
        }
    }
}

/// Ends with the call, or with its last reference.
package final class AppSubscription: Sendable {
    private let inbox: AppInbox
    private let name: [UInt8]
    private let bus: Bus

    fileprivate init(_ inbox: AppInbox, _ name: [UInt8], _ bus: Bus) {
        self.inbox = inbox
        self.name = name
        self.bus = bus
    }

    deinit { close() }

    package func close() {
        inbox.close()
        let (inbox, name, bus) = (inbox, name, bus)
        LoopExecutor.shared.submit { LoopActor.assumeIsolated { AppReceivers.shared.remove(inbox, name, bus) } }
    }
}

/// The loop's side of all subscriptions of the app.
@LoopActor
private final class AppReceivers {
    static let shared = AppReceivers()

    private final class Receiver: BusSubscriber {
        let inbox: AppInbox
        init(_ inbox: AppInbox) { self.inbox = inbox }
        func received(_ message: BusMessage) { inbox.add(message.payload) }
    }

    private var receivers: [ObjectIdentifier: Receiver] = [:]

    func add(_ inbox: AppInbox, _ name: [UInt8], _ bus: Bus) {
        let receiver = Receiver(inbox)
        receivers[ObjectIdentifier(inbox)] = receiver
        bus.subscribe(name, receiver)
    }

    func remove(_ inbox: AppInbox, _ name: [UInt8], _ bus: Bus) {
        guard let receiver = receivers.removeValue(forKey: ObjectIdentifier(inbox)) else { return }
        bus.unsubscribe(name, receiver)
    }

    func missed(_ gap: BusGap) { for receiver in receivers.values { receiver.inbox.missed(gap.count ?? 1) } }
}

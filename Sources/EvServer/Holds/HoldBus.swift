// What the holds of a worker need of the bus: what is published reaches them through it, from whichever process.

package import EvLoop

/// A message that was published on a channel.
package struct BusMessage: Sendable {
    package let channel: [UInt8]
    package let payload: [UInt8]
}

@LoopActor
package protocol BusSubscriber: AnyObject {
    func received(_ message: BusMessage)
}

@LoopActor
package protocol HoldBus: AnyObject {
    func publish(_ channel: [UInt8], _ payload: [UInt8])
    func subscribe(_ channel: [UInt8], _ subscriber: any BusSubscriber)
    func unsubscribe(_ channel: [UInt8], _ subscriber: any BusSubscriber)
}

/// A bus of one process.
@LoopActor
package final class LocalBus: HoldBus {
    private var subscribers: [[UInt8]: [any BusSubscriber]] = [:]

    package init() {}

    package func publish(_ channel: [UInt8], _ payload: [UInt8]) {
        LoopExecutor.shared.later { [self] in
            let message = BusMessage(channel: channel, payload: payload)
            for subscriber in subscribers[channel] ?? [] { subscriber.received(message) }
        }
    }

    package func subscribe(_ channel: [UInt8], _ subscriber: any BusSubscriber) {
        subscribers[channel, default: []].append(subscriber)
    }

    package func unsubscribe(_ channel: [UInt8], _ subscriber: any BusSubscriber) {
        subscribers[channel]?.removeAll { $0 === subscriber }
        if subscribers[channel]?.isEmpty == true { subscribers[channel] = nil }
    }
}

// The bus, as families of metrics. What the admin process itself has published and received is among the numbers.

import EvBus
import EvLoop
import EvServer

extension MetricsReading {
    func writeBus(of link: ServerLink, to text: inout MetricsText) {
        let own = link.bus?.statistics ?? Bus.Statistics()
        text.family("evgateway_bus_messages", .counter, "Messages of the bus; sent: once for each process.")
        for (direction, index, more) in [
            ("published", Counter.busPublished, own.published), ("sent", Counter.busSent, own.sent),
            ("received", Counter.busReceived, own.received), ("delivered", Counter.busDelivered, own.delivered),
        ] {
            text.sample(["direction": direction], .count(sums[index] &+ UInt64(more)))
        }
        text.family(
            "evgateway_bus_messages_dropped", .counter, "Messages that were not sent, because a process was too slow.",
            .count(sums[Counter.busDropped] &+ UInt64(own.dropped)))
        text.family("evgateway_bus_receiver_dropped", .counter, "Of these, those for each worker that runs.")
        for (label, workers) in byLabel {
            let ground = link.bus?.seat?.ground
            let count = workers.reduce(UInt64(0)) { $0 &+ (ground?.dropped(for: $1.place) ?? 0) }
            text.sample(["worker": label], .count(count))
        }
        counter(
            &text, "evgateway_bus_subscriber_dropped", Counter.busNoRoom,
            "Messages that a subscription of the app had no room for.")
        text.family(
            "evgateway_bus_messages_lost", .counter, "Messages that did not come, as receivers know.",
            .count(sums[Counter.busLost] &+ UInt64(own.lost)))
        text.family(
            "evgateway_bus_gaps", .counter, "Times that receivers were told of losses.",
            .count(sums[Counter.busGaps] &+ UInt64(own.gaps)))
        gauge(&text, "evgateway_bus_channels", "Channels with a subscriber.") {
            $0.report.counters[Counter.busChannels]
        }
        gauge(&text, "evgateway_bus_outbox_bytes", "Bytes that wait for processes that do not read.") {
            $0.report.counters[Counter.busOutbox]
        }
        guard let redis = link.redis else { return }
        text.family(
            "evgateway_bus_redis_connected", .gauge, "Whether the bus reaches other servers.",
            .count(redis.isConnected ? 1 : 0))
        text.family("evgateway_bus_redis_messages", .counter, "Messages to and from other servers.")
        text.sample(["direction": "sent"], .count(UInt64(redis.statistics.sent)))
        text.sample(["direction": "received"], .count(UInt64(redis.statistics.received)))
        text.family(
            "evgateway_bus_redis_dropped", .counter, "Messages that Redis has not taken, or that did not come as far.",
            .count(UInt64(redis.statistics.dropped)))
        text.family(
            "evgateway_bus_redis_reconnects", .counter, "Times that Redis was there again.",
            .count(UInt64(redis.statistics.reconnects)))
        text.family(
            "evgateway_bus_redis_queue_bytes", .gauge, "Bytes that wait for Redis.", .count(UInt64(redis.waitingBytes)))
    }
}

// What is known of a channel around the time in which somebody listens on it. Between two long polls of a client nobody
// may listen: the worker goes on for a while, so that the next one finds out what it has missed. And what was published
// while the app looked, before the first one listened, nobody here has seen: the app looks once more. Law: only for
// channels whose messages have ids, and bounded.

import EvLoop

@LoopActor
final class ChannelMemory {
    /// Seconds for which a channel is listened on that nobody listens on, as in Pushpin.
    private static let lingering = 60.0
    /// Seconds after which the app looks once more, as in Pushpin.
    private static let doubt = 1.0
    /// Channels that are remembered.
    private static let most = 1 << 18

    private var lingering: [HeldChannel] = []
    private var doubted: [HeldChannel] = []
    private var lingerTimer: TimerWatcher?
    private var doubtTimer: TimerWatcher?
    private let close: @LoopActor (HeldChannel) -> Void

    init(_ loop: EventLoop, _ close: @escaping @LoopActor (HeldChannel) -> Void) {
        self.close = close
        lingerTimer = TimerWatcher(loop) { [unowned self] in self.forget() }
        doubtTimer = TimerWatcher(loop) { [unowned self] in self.look() }
    }

    func stop() {
        lingerTimer?.stop()
        doubtTimer?.stop()
    }

    /// Nobody listens any more.
    ///
    /// - Returns: false where nothing has to be remembered.
    func keeps(_ channel: HeldChannel) -> Bool {
        guard channel.hasIDs else { return false }
        guard channel.isRemembered || lingering.count < Self.most else { return false }
        if channel.emptySince == .infinity { channel.emptySince = EventLoop.coarseNow() }
        guard !channel.isRemembered else { return true }
        channel.isRemembered = true
        if lingering.isEmpty { lingerTimer?.start(after: Self.lingering) }
        lingering.append(channel)
        return true
    }

    private func forget() {
        let now = EventLoop.coarseNow()
        let remembered = lingering
        lingering = []
        for channel in remembered {
            if channel.isEmpty, channel.emptySince + Self.lingering > now {
                lingering.append(channel)
            } else {
                channel.isRemembered = false
                if channel.isEmpty { close(channel) }
            }
        }
        if !lingering.isEmpty { lingerTimer?.start(after: Self.lingering / 6) }
    }

    /// A hold with a position begins to listen.
    func begins(_ channel: HeldChannel) {
        channel.hasIDs = true
        guard !channel.isDoubted, channel.openedAt + Self.doubt > EventLoop.coarseNow() else { return }
        channel.isDoubted = true
        if doubted.isEmpty { doubtTimer?.start(after: Self.doubt) }
        doubted.append(channel)
    }

    /// Asks for all that wait at a position that nothing has confirmed.
    private func look() {
        let channels = doubted
        doubted = []
        for channel in channels {
            channel.isDoubted = false
            for hold in channel.responses + channel.streams
            where hold.phase == .holding || hold.phase == .opening {
                guard let id = hold.subscription(to: channel)?.previousID, id != channel.lastID else { continue }
                hold.update()
            }
        }
    }
}

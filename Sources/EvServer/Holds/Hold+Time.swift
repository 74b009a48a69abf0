// When something happens to a hold by itself: the answer of a long poll, the keep-alive of a stream, the next look at
// its link. Law: a message moves no timer; a timer that comes too early finds that out.

import EvLoop
import GRIP

extension Hold {
    /// Seconds by which a keep-alive comes early, so that those of many streams do not come at once.
    private static let jitter = 1.0

    /// Begins to count.
    func setDeadline() {
        let now = EventLoop.monotonicNow()
        guard hasBegun else {
            return waits(until: now + Double(terms.timeout))
        }
        if let keepAlive = terms.keepAlive { ownExtras.keepAliveDue = now + Self.seconds(keepAlive) }
        if let next = extras?.next { extras?.linkDue = now + Double(next.timeout) }
        followDue()
    }

    private static func seconds(_ keepAlive: KeepAlive) -> Double {
        max(Double(keepAlive.timeout) - Double.random(in: 0..<jitter), 0.1)
    }

    /// A stream is looked at when the first of its times has come.
    func followDue() { waits(until: min(extras?.keepAliveDue ?? .infinity, extras?.linkDue ?? .infinity)) }

    /// - Parameter moment: in monotonic seconds; infinity for no limit.
    private func waits(until moment: Double) {
        deadline = moment
        table?.deadlines.update(self)
    }

    var ownExtras: HoldExtras {
        if let extras { return extras }
        let made = HoldExtras()
        extras = made
        return made
    }

    /// A time limit of a stream has come, or has moved since.
    func streamExpired(at now: Double) {
        guard let extras else { return }
        if phase == .asking, extras.link == nil, extras.linkDue <= now {
            extras.linkDue = .infinity
            askByLink()
        } else if phase == .holding, extras.linkDue <= now {
            extras.linkDue = .infinity
            update()
        }
        guard phase != .ended else { return }
        if let keepAlive = terms.keepAlive, extras.keepAliveDue <= now {
            extras.keepAliveDue = now + Self.seconds(keepAlive)
            if phase != .asking || extras.link?.hasSent != true, hasRoom { write(keepAlive.data) }
        }
        if phase != .ended { followDue() }
    }

    /// The connection, or the stream of one, waits without a limit of its own.
    func beginWait() {
        if let connection {
            connection.beginHold()
        } else if let exchange {
            exchange.carrier.beginHold()
        }
    }
}

extension HoldExtras {
    /// A message has been sent.
    func sent(_ hold: Hold, on channel: HeldChannel) {
        let now = EventLoop.coarseNow()
        if let keepAlive = hold.terms.keepAlive, keepAlive.mode == .idle {
            keepAliveDue = now + Double(keepAlive.timeout)
        }
        guard let next, linkDue.isFinite else { return }
        let identity = ObjectIdentifier(channel)
        if !active.contains(identity) { active.append(identity) }
        // All channels have brought something, so that nothing can have been missed.
        guard active.count >= hold.subscriptions.count else { return }
        active = []
        linkDue = now + Double(next.timeout)
    }
}

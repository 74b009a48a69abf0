// Whom an exchange tells what happens to it, when its app does not run in a Swift task. They are kept in an object of
// their own: most requests have none, and thousands may wait at a time.

import EvLoop

/// Events of `evg_exchange.h`, as a set of flags.
package enum ExchangeEvent {
    package static let body: UInt32 = 1
    package static let drained: UInt32 = 2
    package static let clientLeft: UInt32 = 4
    package static let overdue: UInt32 = 8
}

@LoopActor
final class Observers {
    /// In C: one function for all events, with those that it wants.
    package typealias Notify = @convention(c) (_ context: UnsafeMutableRawPointer?, _ event: UInt32) -> Void
    private var notify: Notify?
    private var context: UnsafeMutableRawPointer?
    private var wanted: UInt32 = 0

    var onClientLeft, onDeadline, onBody, onDrained: (() -> Void)?

    func watch(_ events: UInt32, _ notify: @escaping Notify, _ context: UnsafeMutableRawPointer?) {
        self.notify = notify
        self.context = context
        wanted |= events
    }

    private func tell(_ event: UInt32) -> Bool {
        guard wanted & event != 0, let notify else { return false }
        notify(context, event)
        return true
    }

    var wantsBody: Bool { onBody != nil || wanted & ExchangeEvent.body != 0 }

    func clientLeft() {
        onClientLeft?()
        _ = tell(ExchangeEvent.clientLeft)
    }

    /// Where nobody listens to deadlines, the client's leaving is told instead.
    func overdue() {
        if let onDeadline { return onDeadline() }
        if !tell(ExchangeEvent.overdue) { clientLeft() }
    }

    func body() {
        onBody?()
        // Told once: a body is timed for as long as somebody listens, and an app may stop listening.
        let isWanted = wanted & ExchangeEvent.body != 0
        wanted &= ~ExchangeEvent.body
        if isWanted { notify?(context, ExchangeEvent.body) }
    }

    func drained() {
        onDrained?()
        _ = tell(ExchangeEvent.drained)
    }
}

extension Exchange {
    /// Called once when the client leaves, or the worker gives the request up, before its response is finished; a task
    /// would be cancelled then.
    package var onClientLeft: (() -> Void)? {
        get { observers?.onClientLeft }
        set { (newValue == nil ? observers : ownObservers)?.onClientLeft = newValue }
    }

    /// Called once when the deadline has passed and the client has been answered: what still runs is to be stopped.
    /// Where it is nil, `onClientLeft` is called instead.
    package var onDeadline: (() -> Void)? {
        get { observers?.onDeadline }
        set { (newValue == nil ? observers : ownObservers)?.onDeadline = newValue }
    }

    /// Called when `takeBody` has something new to say after it said `.wait`.
    package var onBody: (() -> Void)? {
        get { observers?.onBody }
        set { (newValue == nil ? observers : ownObservers)?.onBody = newValue }
    }

    /// Called when enough of the output has been taken after `write` returned `.full`, and when the client leaves.
    package var onDrained: (() -> Void)? {
        get { observers?.onDrained }
        set { (newValue == nil ? observers : ownObservers)?.onDrained = newValue }
    }

    /// Tells a listener in C of these events too, from now on.
    package func watch(
        _ events: UInt32, _ notify: @escaping @convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void,
        _ context: UnsafeMutableRawPointer?
    ) {
        ownObservers.watch(events, notify, context)
    }

    private var ownObservers: Observers {
        if let observers { return observers }
        let made = Observers()
        observers = made
        return made
    }
}

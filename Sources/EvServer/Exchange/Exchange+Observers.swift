// Whom an exchange tells what happens to it, when its app does not run in a Swift task. Those in Swift and those in C
// are objects of their own: most requests have neither, others one of them, and thousands may wait at a time.

import EvLoop

/// Events of `evg_exchange.h`, as a set of flags.
package enum ExchangeEvent {
    package static let body: UInt32 = 1
    package static let drained: UInt32 = 2
    package static let clientLeft: UInt32 = 4
    package static let overdue: UInt32 = 8
}

struct Observers {
    /// In Swift: a closure for each event.
    @LoopActor
    final class Closures {
        var onClientLeft, onDeadline, onBody, onDrained, onReplay: (() -> Void)?
    }

    /// In C: one function for all events, with those that it wants.
    @LoopActor
    final class Listener {
        typealias Notify = @convention(c) (_ context: UnsafeMutableRawPointer?, _ event: UInt32) -> Void
        private var notify: Notify
        private var context: UnsafeMutableRawPointer?
        fileprivate var wanted: UInt32

        init(_ events: UInt32, _ notify: @escaping Notify, _ context: UnsafeMutableRawPointer?) {
            wanted = events
            self.notify = notify
            self.context = context
        }

        func watch(_ events: UInt32, _ notify: @escaping Notify, _ context: UnsafeMutableRawPointer?) {
            self.notify = notify
            self.context = context
            wanted |= events
        }

        @discardableResult
        fileprivate func tell(_ event: UInt32) -> Bool {
            guard wanted & event != 0 else { return false }
            notify(context, event)
            return true
        }

        /// Told once: a body is timed for as long as somebody listens, and an app may stop listening.
        fileprivate func body() {
            let isWanted = wanted & ExchangeEvent.body != 0
            wanted &= ~ExchangeEvent.body
            if isWanted { notify(context, ExchangeEvent.body) }
        }
    }

    var closures: Closures?
    var listener: Listener?
}

@LoopActor
extension Observers {
    var wantsBody: Bool { closures?.onBody != nil || (listener?.wanted ?? 0) & ExchangeEvent.body != 0 }

    func clientLeft() {
        closures?.onClientLeft?()
        listener?.tell(ExchangeEvent.clientLeft)
    }

    /// Where nobody listens to deadlines, the client's leaving is told instead.
    func overdue() {
        if let onDeadline = closures?.onDeadline { return onDeadline() }
        if listener?.tell(ExchangeEvent.overdue) != true { clientLeft() }
    }

    func body() {
        closures?.onBody?()
        listener?.body()
    }

    func drained() {
        closures?.onDrained?()
        listener?.tell(ExchangeEvent.drained)
    }
}

extension Exchange {
    /// Called once when the client leaves, or the worker gives the request up, before its response is finished; a task
    /// would be cancelled then.
    package var onClientLeft: (() -> Void)? {
        get { observers.closures?.onClientLeft }
        set { (newValue == nil ? observers.closures : ownClosures)?.onClientLeft = newValue }
    }

    /// Called once when the deadline has passed and the client has been answered: what still runs is to be stopped.
    /// Where it is nil, `onClientLeft` is called instead.
    package var onDeadline: (() -> Void)? {
        get { observers.closures?.onDeadline }
        set { (newValue == nil ? observers.closures : ownClosures)?.onDeadline = newValue }
    }

    /// Called when `takeBody` has something new to say after it said `.wait`.
    package var onBody: (() -> Void)? {
        get { observers.closures?.onBody }
        set { (newValue == nil ? observers.closures : ownClosures)?.onBody = newValue }
    }

    /// Called when enough of the output has been taken after `write` returned `.full`, and when the client leaves.
    package var onDrained: (() -> Void)? {
        get { observers.closures?.onDrained }
        set { (newValue == nil ? observers.closures : ownClosures)?.onDrained = newValue }
    }

    /// Called once when the worker leaves and others go on with what it has: the request may be given to one of them by
    /// `replay`.
    package var onReplay: (() -> Void)? {
        get { observers.closures?.onReplay }
        set { (newValue == nil ? observers.closures : ownClosures)?.onReplay = newValue }
    }

    func workerLeaves() { onReplay?() }

    private var ownClosures: Observers.Closures {
        if let closures = observers.closures { return closures }
        let made = Observers.Closures()
        observers.closures = made
        return made
    }

    /// Tells a listener in C of these events too, from now on.
    package func watch(
        _ events: UInt32, _ notify: @escaping @convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void,
        _ context: UnsafeMutableRawPointer?
    ) {
        if let listener = observers.listener { return listener.watch(events, notify, context) }
        observers.listener = Observers.Listener(events, notify, context)
    }
}

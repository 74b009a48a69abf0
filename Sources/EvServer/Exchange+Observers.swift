// What an exchange calls, each once something has happened, for apps that do not run in a Swift task. They are kept in
// an object of their own: most requests have none, and many wait at a time.

final class Observers {
    var clientLeft, deadline, body, drained: (() -> Void)?
}

extension Exchange {
    /// Called once when the client leaves, or the worker gives the request up, before its response is finished; a task
    /// would be cancelled then.
    package var onClientLeft: (() -> Void)? {
        get { observers?.clientLeft }
        set { (newValue == nil ? observers : ownObservers)?.clientLeft = newValue }
    }

    /// Called once when the deadline has passed and the client has been answered: what still runs is to be stopped.
    /// Where it is nil, `onClientLeft` is called instead.
    package var onDeadline: (() -> Void)? {
        get { observers?.deadline }
        set { (newValue == nil ? observers : ownObservers)?.deadline = newValue }
    }

    /// Called when `takeBody` has something new to say after it said `.wait`.
    package var onBody: (() -> Void)? {
        get { observers?.body }
        set { (newValue == nil ? observers : ownObservers)?.body = newValue }
    }

    /// Called when enough of the output has been taken after `write` returned `.full`, and when the client leaves.
    package var onDrained: (() -> Void)? {
        get { observers?.drained }
        set { (newValue == nil ? observers : ownObservers)?.drained = newValue }
    }

    private var ownObservers: Observers {
        if let observers { return observers }
        let made = Observers()
        observers = made
        return made
    }
}

// What a connection is for: the exchange of a request, or the little that is left of one that is held.

import EvLoop
import HTTP1

extension HTTP1Connection {
    /// In the room of one reference.
    enum Present { case nothing, running(Exchange), held(Hold) }

    var running: Exchange? {
        get { if case .running(let exchange) = present { exchange } else { nil } }
        set { present = newValue.map { .running($0) } ?? .nothing }
    }

    /// A held request, whose exchange is gone.
    var kept: Hold? { if case .held(let hold) = present { hold } else { nil } }

    /// The request waits, with a time limit of its own.
    func beginHold() { if wait != .halfClose { worker.deadlines.begin(.held, self) } }

    /// The exchange that runs has no app any more, and gives way to what is left of it.
    ///
    /// - Returns: false where it has been answered.
    func keep(_ hold: Hold, insteadOf exchange: Exchange) -> Bool {
        guard running === exchange, !isEnding else { return false }
        present = .held(hold)
        if worker.isDraining { worker.moves.becameIdle(self) }
        return true
    }

    /// A request that came with the connection from another process is held here.
    func take(_ hold: Hold) { present = .held(hold) }

    /// The parcel of a request that is held, if it can move now.
    var heldParcel: Parcel? {
        guard let kept, !isEnding, !isHalfClosed, !isSpare, case .plain = transport, let state = kept.packed() else {
            return nil
        }
        var parcel = makeParcel(.hold, bytes: pending, state: state)
        parcel.hasServed = hasServed
        return parcel
    }

    /// The held request is an exchange again.
    func resume(_ exchange: Exchange, of hold: Hold) {
        guard kept === hold else { return }
        present = .running(exchange)
        if wait == .held { worker.deadlines.begin(.active, self) }
    }

    /// The app is called again, with an exchange of its own.
    func goOn(with exchange: Exchange, after former: Exchange) {
        guard running === former else { return }
        running = exchange
        if wait == .held { worker.deadlines.begin(.active, self) }
    }

    /// The held request has been answered with bytes that others are answered with, too.
    func heldResponseFinished(_ hold: Hold) {
        guard kept === hold else { return }
        present = .nothing
        guard !isClosed else { return }
        hops = 0
        becameIdle()
        if pending.isEmpty { updateInterest() } else { parseLater() }
    }
}

// Holds for which the app is to be asked: the same request again for a long poll, the link of a stream. Thousands may
// have to be at once, so they have their turns, and the loop serves others between them.

import EvLoop
import GRIP

@LoopActor
final class HoldTurns {
    private var waiting: [Hold] = []
    private var next = 0
    private var timer: TimerWatcher?

    /// Requests that begin in one turn of the loop.
    private static let batch = 16
    /// How often the app is called for one request before the client gets the answer that there is.
    static let mostReplays: UInt8 = 5

    init(_ loop: EventLoop) { timer = TimerWatcher(loop) { [unowned self] in self.take() } }

    func stop() { timer?.stop() }

    func ask(_ hold: Hold) {
        guard hold.phase == .holding else { return }
        hold.phase = .queued
        if hold.base?.wait != .held { hold.beginWait() }
        if waiting.isEmpty { LoopExecutor.shared.later { [weak self] in self?.take() } }
        waiting.append(hold)
    }

    private func take() {
        var begun = 0
        while next < waiting.count, begun < Self.batch {
            let hold = waiting[next]
            next += 1
            // One that has ended lets its turn pass.
            guard hold.phase == .queued else { continue }
            begun += 1
            if hold.hasBegun { hold.askByLink() } else { hold.callAppAgain() }
        }
        guard next == waiting.count else { return timer?.start(after: 0.001) ?? () }
        (waiting, next) = ([], 0)
    }
}

extension Hold {
    /// The app is called with the same request.
    func callAppAgain() {
        let base = base
        defer { extendLifetime(base) }
        guard replays < HoldTurns.mostReplays, !isBodyLost, let again = makeExchange(telling: lastIDs + unheard) else {
            return answerItself()
        }
        again.upgrade = .replayed(Replay(replays + 1))
        let former = exchange
        replace(by: again)
        former?.upgrade = .none
        former?.conclude(.over)
        again.run()
    }

    private func replace(by again: Exchange) {
        if let connection {
            connection.resume(again, of: self)
        } else if let exchange {
            exchange.carrier.goesOn(with: again, after: exchange)
        }
        forget()
    }

    /// The request's body was too long to be kept.
    private var isBodyLost: Bool { extras?.isBodyLost == true }

    var unheard: [LastID] {
        get { extras?.unheard ?? [] }
        set { if !newValue.isEmpty { ownExtras.unheard = newValue } }
    }
}

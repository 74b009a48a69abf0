// A request that is run again from its first byte, by a worker that stays: it is written as it came, and goes there as
// bytes that have been read of its connection. Law: nothing of its answer has been sent, and its app is done with it.

import EvLoop
import HTTPCore

extension Exchange {
    /// Gives the request to another worker. The app's side of it has still to end (`taskEnded`), and nothing that it
    /// says is heard.
    ///
    /// - Returns: false where the request stays here and is to be answered.
    package func replay() -> Bool {
        guard response == .awaited, case .http1(let connection) = carrier, let request else { return false }
        guard connection.takeBack(self, request) else { return false }
        conclude(.over)
        return true
    }

    /// The worker leaves, and others take what it has.
    package var mayReplay: Bool { worker.moves.isLeaving }

    /// As it came; nil where its body is not here any more.
    private var request: [UInt8]? {
        guard incoming == nil else { return nil }
        return head.withBytes { Array($0) }
    }
}

extension HTTP1Connection {
    /// The request that runs is one that waits again.
    func takeBack(_ exchange: Exchange, _ request: [UInt8]) -> Bool {
        guard self.exchange === exchange, !isEnding, !isHalfClosed, output.isEmpty, hops < Parcel.mostHops,
            worker.moves.keeps(self)
        else { return false }
        unrun(request)
        worker.deadlines.begin(.active, self)
        worker.moves.becameIdle(self)
        return true
    }
}

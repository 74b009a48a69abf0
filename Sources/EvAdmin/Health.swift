// How the whole server is, for whoever sends requests to it or starts it again.

import EvLoop

struct Health {
    let isGood: Bool
    let text: String

    /// The admin process ends with the master, so its answer is the master's sign of life.
    static let live = Health(isGood: true, text: "ok")

    /// Good while a worker serves and the server is to stay.
    @LoopActor static func ready(_ link: ServerLink) -> Health {
        let workers = link.workers
        let ready = workers.count { $0.slot.state == .ready }
        let leaving = workers.count { $0.slot.state == .leaving }
        let text = "\(ready) of \(workers.count) workers ready"
        return Health(isGood: ready > 0 && leaving == 0, text: leaving > 0 ? text + ", leaving" : text)
    }
}

// Questions to other processes: each answers behind all that it has sent to this one before. Whoever has nothing on its
// way needs not be asked, and whoever ends has answered.

import EvLoop

struct BusQuestion {
    var awaited: Set<Int>
    let timer: TimerWatcher
    let done: (_ isComplete: Bool) -> Void
}

extension Bus {
    /// Calls when this process has handled every message that any process had published before this call, as far as it
    /// goes to this process.
    ///
    /// - Parameters:
    ///   - limit: seconds; after these it calls with false. A process that stands still while it publishes is a reason.
    ///   - done: called later, once.
    package func flush(limit: Double, _ done: @escaping @LoopActor (_ isComplete: Bool) -> Void) {
        guard let seat else {
            LoopExecutor.shared.later { [self] in
                LoopActor.assumeIsolated {
                    deliverLocal()
                    done(true)
                }
            }
            return
        }
        var asked: Set<Int> = [seat.place]
        seat.ground.forEachLive { place in if seat.ground.isMarked(place) { asked.insert(place) } }
        ask(.flush, asked, limit: limit, done)
    }

    /// Calls when the process of a place has handled everything that this one had sent to it before.
    package func confirm(
        _ place: Int, limit: Double, _ done: @escaping @LoopActor (_ isComplete: Bool) -> Void
    ) {
        guard let seat, place != seat.place, seat.ground.isLive(place) else {
            LoopExecutor.shared.later { LoopActor.assumeIsolated { done(false) } }
            return
        }
        ask(.flush, [place], limit: limit, done)
    }

    /// Asks these processes; this one answers through its own mailbox, behind all that waits there.
    func ask(
        _ kind: PacketHeader.Kind, _ places: Set<Int>, limit: Double,
        _ done: @escaping @LoopActor (_ isComplete: Bool) -> Void
    ) {
        lastQuestion += 1
        let number = lastQuestion
        let timer = TimerWatcher(loop) { [unowned self] in LoopActor.assumeIsolated { self.finish(number, false) } }
        questions[number] = BusQuestion(awaited: places, timer: timer) { isComplete in
            LoopActor.assumeIsolated { done(isComplete) }
        }
        timer.start(after: limit)
        for place in places {
            var question = PacketHeader(place == seat?.place ? .answer : kind, from: sender)
            question.value = number
            guard let link = link(to: place) else { continue }
            link.send(question)
        }
        // One that has ended just now has sent its last already.
        for place in places where seat?.ground.isLive(place) != true { stopWaiting(for: place) }
    }

    func answer(_ question: PacketHeader) {
        guard let link = link(to: Int(question.sender.place)) else { return }
        var answer = PacketHeader(.answer, from: sender)
        answer.value = question.value
        link.send(answer)
    }

    func answered(_ number: UInt64, by place: Int) {
        guard questions[number]?.awaited.remove(place) != nil else { return }
        if questions[number]?.awaited.isEmpty == true { finish(number, true) }
    }

    func stopWaiting(for place: Int) {
        for number in questions.keys.sorted() { answered(number, by: place) }
    }

    private func finish(_ number: UInt64, _ isComplete: Bool) {
        guard let question = questions.removeValue(forKey: number) else { return }
        question.timer.stop()
        deliverLocal()
        question.done(isComplete)
    }
}

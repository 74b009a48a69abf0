// Holds that move. Law: each message for a hold reaches it once. The giver makes receivers its heirs first: they write
// down what comes for its channels. A hold goes with how far the giver has read what others publish, and its receiver
// waits until it has read as far; then it gives the hold what is beyond, in order, and the hold listens there.

import EvBus
import EvLoop
import GRIP
import Logging

extension Moves {
    /// Other workers that are made heirs, by the numbers of their places.
    struct Handover {
        var asked: Set<Int> = []
        var heirs: Set<Int> = []
        /// They have not answered in time.
        var refused: Set<Int> = []

        mutating func answered(_ place: Int, _ isComplete: Bool) {
            asked.remove(place)
            if isComplete { heirs.insert(place) } else { refused.insert(place) }
        }
    }

    /// Seconds in which every process must have answered.
    private static let answerLimit = 20.0

    /// Holds go to heirs alone, and so does everything else once there are some.
    func hasHeir(_ place: Int) -> Bool {
        guard let heirs = handover?.heirs, !heirs.isEmpty else { return true }
        return heirs.contains(place)
    }

    /// Whether it can go now. A hold waits for an heir, and stays where there is none.
    func mayGo(_ parcel: Parcel, _ connection: Connection) -> Bool {
        guard parcel.kind == .hold, handover?.heirs.isEmpty != false else { return true }
        held.append(connection)
        handover = handover ?? Handover()
        askForHeirs()
        return false
    }

    /// Each worker that may take some is asked once, those that are ready later, too.
    func askForHeirs() {
        guard let handover else { return }
        let known = handover.asked.union(handover.heirs).union(handover.refused)
        for place in candidates where !known.contains(place) {
            self.handover?.asked.insert(place)
            worker.bus.beginHandover(to: place, limit: Self.answerLimit) { [weak self] isComplete in
                self?.answered(place, isComplete)
            }
        }
    }

    private func answered(_ place: Int, _ isComplete: Bool) {
        if !isComplete || handover == nil { worker.bus.endHandover(to: place) }
        handover?.answered(place, isComplete)
        guard let handover else { return }
        let waiting = held
        if !handover.heirs.isEmpty {
            held = []
            enqueue(waiting)
        } else if handover.asked.isEmpty, !waiting.isEmpty {
            held = []
            worker.logger.warning(
                "Held requests stay until this worker ends: a process did not answer in time",
                metadata: ["requests": "\(waiting.count)"])
        }
    }

    /// All holds have gone, or those that are here stay.
    func endHandover() {
        held = []
        let heirs = handover?.heirs ?? []
        handover = nil
        for place in heirs { worker.bus.endHandover(to: place) }
    }
}

/// Holds that have come and do not listen yet.
@LoopActor
final class HoldArrivals {
    private unowned let worker: Worker
    private var waiting: [(parcel: Parcel, descriptor: Int32, position: BusPosition)] = []
    private var isReading = false

    /// Seconds in which every process must have answered. Afterwards a message may come twice.
    private static let limit = 20.0

    init(_ worker: Worker) { self.worker = worker }

    var isEmpty: Bool { waiting.isEmpty && !isReading }

    func add(_ parcel: Parcel, _ descriptor: Int32, _ position: BusPosition) {
        if isEmpty { worker.bus.keepJournal() }
        waiting.append((parcel, descriptor, position))
        worker.arriving += 1
        readOn()
    }

    private func readOn() {
        guard !isReading else { return }
        guard !waiting.isEmpty else {
            worker.bus.endJournal()
            return worker.finishIfDone()
        }
        isReading = true
        let arrived = waiting
        waiting = []
        worker.bus.flush(limit: Self.limit) { [self] _ in
            for each in arrived {
                worker.arriving -= 1
                worker.takeBack(each.parcel, each.descriptor, each.position)
            }
            isReading = false
            readOn()
        }
    }
}

extension HoldTable {
    /// Gives a hold what has come since its parcel was made.
    func catchUp(_ hold: Hold, after position: BusPosition) {
        let names = hold.channelNames
        let (messages, isAll) = worker.bus.replay(names.map { Item.busChannel($0) }, after: position)
        for message in messages where hold.phase != .ended {
            let name = message.channel.dropFirst()
            guard let channel = hold.subscriptions.first(where: { $0.channel.name.elementsEqual(name) })?.channel,
                let item = try? Item(json: message.payload)
            else { continue }
            let made = HeldItem(item)
            if hold.mode == .response { hold.answer(with: made, on: channel) } else { hold.stream(made, on: channel) }
        }
        if !isAll { worker.logger.warning("Messages for requests that moved here are lost: there were too many") }
    }
}

// Holds that move. Law: each message for a hold reaches it once. The giver makes receivers its heirs first: they write
// down what comes for its channels. A hold goes with how far the giver has read what others publish, and its receiver
// waits until it has read as far; then it gives the hold what is beyond, in order, and the hold listens there.

import EvBus
import EvLoop
import GRIP
import Logging

extension Moves {
    enum Handover {
        case none
        /// So many are asked, and these are heirs already.
        case asked(Int, heirs: Set<Int>)
        case done(heirs: Set<Int>)
    }

    /// Seconds in which every process must have answered.
    private static let answerLimit = 10.0

    /// Holds go to heirs alone, and so does everything else once there are some.
    func hasHeir(_ place: Int) -> Bool {
        if case .done(let heirs) = handover, !heirs.isEmpty { heirs.contains(place) } else { true }
    }

    /// Whether it can go now. A hold waits for the heirs, and stays where there are none.
    func mayGo(_ parcel: Parcel, _ connection: Connection) -> Bool {
        guard parcel.kind == .hold else { return true }
        if case .done(let heirs) = handover { return !heirs.isEmpty }
        held.append(connection)
        beginHandover()
        return false
    }

    private func beginHandover() {
        guard case .none = handover else { return }
        let places = candidates
        handover = places.isEmpty ? .done(heirs: []) : .asked(places.count, heirs: [])
        for place in places {
            worker.bus.beginHandover(to: place, limit: Self.answerLimit) { [weak self] isComplete in
                self?.answered(place, isComplete)
            }
        }
    }

    private func answered(_ place: Int, _ isComplete: Bool) {
        guard case .asked(let count, var heirs) = handover else { return worker.bus.endHandover(to: place) }
        if isComplete { heirs.insert(place) } else { worker.bus.endHandover(to: place) }
        handover = count > 1 ? .asked(count - 1, heirs: heirs) : .done(heirs: heirs)
        guard count == 1 else { return }
        let waiting = held
        held = []
        if heirs.isEmpty {
            worker.logger.warning(
                "Held requests stay until this worker ends: a process did not answer in time",
                metadata: ["requests": "\(waiting.count)"])
        } else {
            enqueue(waiting)
        }
    }

    /// All holds have gone, or those that are here stay.
    func endHandover() {
        held = []
        guard case .done(let heirs) = handover else { return }
        handover = heirs.isEmpty ? handover : .none
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
    private static let limit = 10.0

    init(_ worker: Worker) { self.worker = worker }

    var isEmpty: Bool { waiting.isEmpty && !isReading }

    func add(_ parcel: Parcel, _ descriptor: Int32, _ position: BusPosition) {
        if isEmpty { worker.bus.keepJournal() }
        waiting.append((parcel, descriptor, position))
        // Whoever gives more is to know of it.
        worker.slot.open &+= 1
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
            for each in arrived { worker.takeBack(each.parcel, each.descriptor, each.position) }
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

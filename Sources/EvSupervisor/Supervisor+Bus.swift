// The master's part in the messages of its server: it makes their ground before it forks, says who has which place, and
// buries what was sent to nobody. It sends none itself, but that somebody has ended. The next master (USR2) joins
// the ground of the former: the processes of both reach each other, and connections go from one to the other.
import EvBus
import EvLoop
import Glibc
import Logging

/// The master's side of the bus.
struct BusSide {
    var ground: BusGround?
    /// Places whose process has ended, and since when nobody has followed it; in monotonic seconds.
    var emptySince: [Int: Double] = [:]

    /// How long what was sent to a process that has ended waits for a successor, in seconds.
    static let patience = 2.0
}

extension Supervisor {
    /// To be called before anything is forked.
    func openBus() throws {
        if let passed = handover?.ground, join(passed) { return }
        scoreboard = try Scoreboard(capacity: slotCount)
        let masters = BusGround.masters(slots: slotCount, limit: DescriptorLimit.current.hard)
        let need = BusGround.descriptors(slots: slotCount, masters: masters)
        DescriptorLimit.raise(to: need.master + 256)
        let limit = DescriptorLimit.current.soft
        guard limit >= need.master + need.process else {
            return logger.warning(
                "The processes of this server send each other no messages: \(limit) open files are too few (ulimit -n)")
        }
        do throws(SystemError) {
            bus.ground = try BusGround(slots: slotCount, masters: masters)
        } catch {
            logger.warning("The processes of this server send each other no messages", metadata: ["error": "\(error)"])
        }
    }

    // MARK: two masters

    /// Returns false where the former master's ground is not for this one, which is closed then.
    private func join(_ passed: PassedGround) -> Bool {
        var reason = "its program is of another version"
        var rest = passed.descriptors
        defer { for descriptor in rest { Socket.close(descriptor) } }
        if passed.layout == BusGround.layout {
            reason = "what it has passed on cannot be used"
            if let ground = BusGround(joining: passed.ground, ends: passed.ends, side: passed.side) {
                // The ground closes the others.
                rest = [passed.scoreboard]
                if ground.slots < slotCount { reason = "it has no room for so many workers" }
                let scoreboard = Scoreboard(
                    joining: passed.scoreboard, side: passed.side, room: ground.slots, count: slotCount)
                if let scoreboard {
                    rest = []
                    DescriptorLimit.raise(to: passed.descriptors.count + 256)
                    (bus.ground, self.scoreboard) = (ground, scoreboard)
                    return true
                }
            }
        }
        logger.info("No connections come from the former master's workers: \(reason)")
        return false
    }

    /// For the next master; nil where it has to make its own.
    func passGround() -> PassedGround? {
        buryOthers(EventLoop.monotonicNow())
        guard let ground = bus.ground, let scoreboard, scoreboard.fileDescriptor >= 0 else { return nil }
        guard let passed = ground.passed else {
            let reason =
                ground.hasRoomForAnotherMaster
                ? "those of another one live still" : "a process may open too few files (ulimit -n)"
            logger.info("No connections go to the next master's workers: \(reason)")
            return nil
        }
        return PassedGround(
            side: ground.side, ground: passed.file, scoreboard: scoreboard.fileDescriptor, ends: passed.ends)
    }

    /// In a worker: where those of another master report.
    var otherSlots: [ScoreboardSlot] { bus.ground?.hasRoomForAnotherMaster == true ? scoreboard?.others ?? [] : [] }

    /// A master that was killed has not said who of its processes has ended.
    private func buryOthers(_ now: Double) {
        guard !state.hasOtherMaster, let ground = bus.ground else { return }
        for place in ground.otherPlaces where ground.hasEnded(place) {
            ground.end(place)
            bus.emptySince[place] = now
        }
    }

    // MARK: places

    /// Gives a place to a process that is about to be forked.
    ///
    /// - Parameter slot: its slot; nil for the admin process.
    func joinBus(_ slot: Int?) -> BusSeat? {
        guard let ground = bus.ground else { return nil }
        let (place, age) = (self.place(of: slot, ground), ground.nextAge())
        bus.emptySince[place] = nil
        ground.begin(place, age: age)
        return BusSeat(ground: ground, place: place, age: age)
    }

    /// The process that had this place has ended, or could not be forked.
    func leaveBus(_ slot: Int?) {
        guard let ground = bus.ground else { return }
        let place = place(of: slot, ground)
        ground.end(place)
        bus.emptySince[place] = EventLoop.monotonicNow()
    }

    private func place(of slot: Int?, _ ground: BusGround) -> Int {
        slot.map { ground.firstPlace + $0 } ?? ground.adminPlace
    }

    /// Connections that were sent to a process that has ended are closed when nobody follows it.
    func sweepBus(_ now: Double, isTick: Bool) {
        if isTick { buryOthers(now) }
        guard !bus.emptySince.isEmpty else { return }
        for (place, since) in bus.emptySince where now - since >= BusSide.patience {
            bus.ground?.sweep(place)
            bus.emptySince[place] = nil
        }
    }
}

// The master's part in the messages of its server: it makes their ground before it forks, says who has which place, and
// buries what was sent to nobody. It sends none itself, but that somebody has ended.
import EvBus
import EvLoop
import Glibc
import Logging

/// The master's side of the bus.
struct BusSide {
    var ground: BusGround?
    private var adminAge: UInt32 = 0
    /// Places whose process has ended, and since when nobody has followed it; in monotonic seconds.
    var emptySince: [Int: Double] = [:]

    /// How long what was sent to a process that has ended waits for a successor, in seconds.
    static let patience = 2.0

    mutating func nextAdminAge() -> UInt32 {
        adminAge += 1
        return adminAge
    }
}

extension Supervisor {
    /// To be called before anything is forked.
    func openBus() {
        let need = BusGround.descriptors(slots: slotCount)
        DescriptorLimit.raise(to: need.master + 256)
        let limit = DescriptorLimit.current.soft
        guard limit >= need.master + need.process else {
            return logger.warning(
                "The processes of this server send each other no messages: \(limit) open files are too few (ulimit -n)")
        }
        do throws(SystemError) {
            bus.ground = try BusGround(slots: slotCount)
        } catch {
            logger.warning("The processes of this server send each other no messages", metadata: ["error": "\(error)"])
        }
    }

    /// Gives a place to a process that is about to be forked.
    func joinBus(_ place: Int, age: UInt32) -> BusSeat? {
        guard let ground = bus.ground else { return nil }
        bus.emptySince[place] = nil
        ground.begin(place, age: age)
        return BusSeat(ground: ground, place: place, age: age)
    }

    /// The process of this place has ended, or could not be forked.
    func leaveBus(_ place: Int) {
        bus.ground?.end(place)
        bus.emptySince[place] = EventLoop.monotonicNow()
    }

    /// Connections that were sent to a process that has ended are closed when nobody follows it.
    func sweepBus(_ now: Double) {
        guard !bus.emptySince.isEmpty else { return }
        for (place, since) in bus.emptySince where now - since >= BusSide.patience {
            bus.ground?.sweep(place)
            bus.emptySince[place] = nil
        }
    }
}

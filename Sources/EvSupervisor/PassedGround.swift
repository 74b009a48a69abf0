// How a next master finds the bus and the scoreboard of the former one, among what is passed on: as one word of text,
// whose form stays the same whatever the layout is, so that a program of another version can close what it cannot use.
import EvBus
import EvLoop
import Glibc

struct PassedGround: Equatable {
    static let mark = "bus="

    let layout: Int
    /// Of the former master.
    let side: Int
    /// Of the mapping of the bus.
    let ground: Int32
    let scoreboard: Int32
    /// Both ends of each mailbox, one behind the other.
    let ends: [Int32]

    init(layout: Int = BusGround.layout, side: Int, ground: Int32, scoreboard: Int32, ends: [Int32]) {
        self.layout = layout
        self.side = side
        self.ground = ground
        self.scoreboard = scoreboard
        self.ends = ends
    }

    var descriptors: [Int32] { [ground, scoreboard] + ends }

    /// `bus=1,0,5,6,7-270`: layout, side, descriptors; several ranges where there are gaps.
    var text: String {
        var ranges: [ClosedRange<Int32>] = []
        for end in ends {
            if let last = ranges.last, last.upperBound &+ 1 == end {
                ranges[ranges.count - 1] = last.lowerBound...end
            } else {
                ranges.append(end...end)
            }
        }
        let words = ranges.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
        return Self.mark + (["\(layout)", "\(side)", "\(ground)", "\(scoreboard)"] + words).joined(separator: ",")
    }

    /// Descriptors of one process, at most.
    private static let most = 65_536

    init?(_ text: Substring) {
        guard text.hasPrefix(Self.mark) else { return nil }
        let words = text.dropFirst(Self.mark.count).split(separator: ",", omittingEmptySubsequences: false)
        guard words.count >= 4, let layout = Int(words[0]), let side = Int(words[1]), let ground = Int32(words[2]),
            let scoreboard = Int32(words[3]), ground > 2, scoreboard > 2
        else { return nil }
        var ends: [Int32] = []
        for word in words.dropFirst(4) {
            let bounds = word.split(separator: "-", omittingEmptySubsequences: false).map { Int32($0) }
            guard let first = bounds.first ?? nil, let last = bounds.last ?? nil, bounds.count <= 2, first > 2,
                first <= last, Int(last - first) < Self.most - ends.count
            else { return nil }
            ends += first...last
        }
        self.init(layout: layout, side: side, ground: ground, scoreboard: scoreboard, ends: ends)
    }
}

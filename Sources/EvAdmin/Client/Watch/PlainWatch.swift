// `--watch` where there is no screen: a line per worker and second, as vmstat(8) does.

import EvLoop
import Glibc

struct PlainWatch {
    private var rates = Rates()
    private var hasHead = false

    private static let columns: [(title: String, width: Int, isRight: Bool)] = [
        ("TIME", 8, false), ("WORKER", 6, true), ("PID", 7, true), ("STATE", 9, false), ("CONN", 10, true),
        ("FLIGHT", 6, true), ("REQUESTS", 10, true), ("REQ/S", 8, true), ("RSS", 7, true), ("CPU%", 6, true),
    ]

    init() {}

    /// The lines for one answer; before the first, the head.
    mutating func lines(_ status: ServerStatus) -> [Line] {
        rates.take(status)
        var rows: [[String]] = hasHead ? [] : [Self.columns.map(\.title)]
        hasHead = true
        let time = status.time.map(Self.clock) ?? Figures.unknown
        for worker in status.workers {
            rows.append([
                time, Figures.count(worker.worker), Figures.count(worker.pid), worker.isStuck ? "stuck" : worker.state,
                StatusText.connections(worker), Figures.count(worker.inFlight), Figures.count(worker.requests),
                rates.requests(of: worker).map { Figures.decimal($0, digits: 1) } ?? Figures.unknown,
                Figures.bytes(worker.rss), Figures.percent(rates.load(of: worker)),
            ])
        }
        return rows.map { row in
            Line(
                zip(row, Self.columns).map { Printable.padded($0, to: $1.width, right: $1.isRight) }.joined(
                    separator: " "))
        }
    }

    /// `02:39:00`, of this place.
    private static func clock(_ time: Double) -> String {
        guard time.isFinite, (0..<1e11).contains(time) else { return Figures.unknown }
        var text: [UInt8] = []
        LocalTime(secondsSinceEpoch: Int(time)).appendISO(to: &text)
        return String(decoding: text.dropFirst(11).prefix(8), as: UTF8.self)
    }
}

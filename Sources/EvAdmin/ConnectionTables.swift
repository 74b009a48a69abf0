// The connections of workers, from each worker itself where its loop turns, else from shared memory. Law: nobody waits
// for a worker that is known to stand still, and however many people look, a worker makes few tables in a second.

import EvLoop
import JSONText
import EvServer
import EvSupervisor

@LoopActor
final class ConnectionTables {
    /// What is known of a worker's connections.
    struct Table {
        enum Source: String { case live, shared }

        let source: Source
        /// Monotonic seconds.
        let time: Double
        /// Connections that are open.
        let total: Int
        let webSockets: Int
        let records: [ConnectionRecord]
    }

    /// Seconds that a worker has for its next words.
    static let patience = 0.05
    /// Seconds without a sign of life from which on a worker is not asked.
    static let silence = 2.0
    /// Seconds for which a table is shown to others who ask.
    private static let freshness = 0.2

    private let answers: WorkerAnswers<Table>

    init(_ link: ServerLink) {
        answers = WorkerAnswers(link, freshness: Self.freshness) { await Self.ask($0, by: link) }
    }

    /// - Parameter index: of the workers to tell of; nil for all.
    func json(ofWorker index: Int?) async -> [UInt8] {
        await answers.json(ofWorker: index) { table, json in
            let now = EventLoop.monotonicNow()
            json.member("source", table.source.rawValue)
            json.member("as_of", max(0, now - table.time))
            json.member("total", table.total)
            json.array("connections") { json in
                for record in table.records { json.object { $0.write(record, now) } }
            }
        }
    }

    private static func ask(_ worker: ServerLink.Worker, by link: ServerLink) async -> Table {
        let silence = EventLoop.monotonicNow() - worker.slot.heartbeat
        if silence < Self.silence,
            let bytes = await link.ask(.connections, of: worker, atMost: patience), let read = readTable(bytes)
        {
            return Table(
                source: .live, time: read.head.time, total: read.head.connections, webSockets: read.head.webSockets,
                records: read.records)
        }
        return shared(worker, standsStill: true)
    }

    /// As the worker wrote it down with its last sign of life.
    /// - Parameter standsStill: it is in the request that it has entered last.
    static func shared(_ worker: ServerLink.Worker, standsStill: Bool) -> Table {
        let read = worker.report.connections.bytes.flatMap(readTable)
        let time = read?.head.time ?? worker.slot.heartbeat
        var records = read?.records ?? []
        if standsStill, let current = ConnectionRecord(currentIn: worker.slot, since: time),
            !records.contains(where: { $0.since == current.since && $0.hasRequest })
        {
            records.append(current)
        }
        return Table(
            source: .shared, time: time, total: Int(worker.slot.open), webSockets: read?.head.webSockets ?? 0,
            records: records)
    }
}

extension ConnectionRecord {
    /// The request that a worker has entered last, if that was after it had written its table. Where it came from is
    /// not known.
    fileprivate init?(currentIn slot: ScoreboardSlot, since time: Double) {
        // Requests have their time of a clock that is some milliseconds late.
        guard let current = slot.currentRequest, current.startedAt > time - 0.02 else { return nil }
        self.init(id: -1, peer: PeerAddress())
        (state, awaited, since) = (.app, .app, current.startedAt)
        let words = current.line.utf8.split(separator: UInt8(ascii: " "), maxSplits: 2)
        method = words.first.map { Array($0) } ?? []
        target = words.count > 1 ? Array(words[1]) : []
        isCut = words.count < 3
    }
}

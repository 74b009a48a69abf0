// The server as it is now, from shared memory and the kernel alone: no worker is asked, so none can delay it.

import EvLoop
import EvServer
import EvSupervisor
import JSONText

@LoopActor
struct StatusReport {
    let link: ServerLink
    let settings: AdminSettings
    let processes: ProcessTable
    private let now = EventLoop.monotonicNow()

    /// As many of a worker's oldest requests are told.
    private static let slowest = 10

    init(_ link: ServerLink, _ settings: AdminSettings, _ processes: ProcessTable) {
        self.link = link
        self.settings = settings
        self.processes = processes
    }

    var json: [UInt8] {
        let master = MasterStatus(link.board.master)
        var json = JSONWriter()
        json.object { json in
            json.member("version", settings.version)
            json.member("application", settings.application)
            json.member("worker_class", settings.workerClass)
            json.member("time", EventLoop.wallNow())
            json.member("started", master.started)
            json.member("master", link.master)
            json.member("state", "\(master.phase)")
            json.member("target_workers", link.board.master[MasterCounter.target.rawValue])
            let waiting = link.board.master[MasterCounter.waiting.rawValue]
            json.member("accept_queue", waiting == MasterCounter.unknown ? nil : waiting)
            json.array("binds") { json in for address in link.addresses { json.string(address) } }
            json.array("workers") { json in
                for worker in link.workers { json.object { write(worker, &$0) } }
            }
            json.array("restarts") { json in
                for event in link.history.restarts { json.object { writeRestart(event, &$0) } }
            }
            json.array("events") { json in
                for event in link.history.events { json.object { write(event, &$0) } }
            }
        }
        return json.bytes
    }

    private func write(_ worker: ServerLink.Worker, _ json: inout JSONWriter) {
        let slot = worker.slot
        let silence = max(0, now - slot.heartbeat)
        let figures = processes.figures(of: worker.identity.pid)
        // It tells of itself once a second.
        let table = ConnectionTables.shared(worker, standsStill: silence > 1.5)
        json.member("worker", worker.identity.index)
        json.member("age", worker.identity.age)
        json.member("pid", worker.identity.pid)
        json.member("state", "\(slot.state)")
        // While it loads the app it gives no sign of life, and there is nothing wrong with that.
        json.member("stuck", slot.state != .booting && silence > ConnectionTables.silence)
        json.member("uptime", max(0, now - slot.startedAt))
        json.member("silence", silence)
        json.member("connections", slot.open)
        json.member("connections_limit", settings.connections)
        json.member("idle", slot.idle)
        json.member("websockets", table.webSockets)
        json.member("in_flight", slot.active)
        json.member("requests", slot.requests)
        json.member("dropped", slot.dropped)
        json.member("rss", figures.resident)
        json.member("pss", figures.proportional)
        json.member("cpu", figures.processorTime)
        write("current", slot.currentRequest, &json)
        write("longest", slot.longestRequest, &json)
        json.array("slowest") { json in
            let requests = table.records.lazy.filter { $0.hasRequest && $0.state != .websocket }
            for record in requests.prefix(Self.slowest) { json.object { $0.write(record, now) } }
        }
    }

    private func write(_ name: StaticString, _ request: (line: String, startedAt: Double)?, _ json: inout JSONWriter) {
        guard let request else { return json.null(name) }
        json.object(name) { json in
            json.member("line", request.line)
            json.member("age", max(0, now - request.startedAt))
        }
    }

    private func writeRestart(_ event: MasterEvent, _ json: inout JSONWriter) {
        json.member("time", event.time)
        json.member("worker", event.worker?.index)
        json.member("pid", event.worker?.pid)
        json.member("cause", event.cause?.rawValue)
        json.member("text", event.text)
    }

    private func write(_ event: MasterEvent, _ json: inout JSONWriter) {
        json.member("time", event.time)
        json.member("level", event.level)
        json.member("worker", event.worker?.index)
        json.member("pid", event.worker?.pid)
        json.member("text", event.text)
    }
}

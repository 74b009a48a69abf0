// The server as it is now, from shared memory alone.

import EvLoop
import EvSupervisor

@LoopActor
struct StatusReport {
    let link: ServerLink
    let settings: AdminSettings
    private let now = EventLoop.monotonicNow()

    init(_ link: ServerLink, _ settings: AdminSettings) {
        self.link = link
        self.settings = settings
    }

    var json: [UInt8] {
        var json = JSONWriter()
        json.object { json in
            json.member("version", settings.version)
            json.member("application", settings.application)
            json.member("worker_class", settings.workerClass)
            json.member("time", EventLoop.wallNow())
            json.member("master", link.master)
            json.array("binds") { json in for bind in settings.binds { json.string(bind) } }
            json.array("workers") { json in
                for worker in link.workers { json.object { write(worker, &$0) } }
            }
            json.array("events") { json in
                for event in link.events { json.object { write(event, &$0) } }
            }
        }
        return json.bytes
    }

    private func write(_ worker: ServerLink.Worker, _ json: inout JSONWriter) {
        let slot = worker.slot
        json.member("worker", worker.identity.index)
        json.member("age", worker.identity.age)
        json.member("pid", worker.identity.pid)
        json.member("state", "\(slot.state)")
        json.member("uptime", now - slot.startedAt)
        json.member("silence", max(0, now - slot.heartbeat))
        json.member("connections", slot.open)
        json.member("idle", slot.idle)
        json.member("in_flight", slot.active)
        json.member("requests", slot.requests)
    }

    private func write(_ event: MasterEvent, _ json: inout JSONWriter) {
        json.member("time", event.time)
        json.member("level", event.level)
        json.member("pid", event.worker.map { Int($0.pid) } ?? 0)
        json.member("text", event.text)
    }
}

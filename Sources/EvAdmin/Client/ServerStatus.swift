// What `/status` says, as values. Law: a member that is missing, or is something else, is unknown, so that a client
// understands older and newer servers. Texts are printable.

import JSONText

struct ServerStatus {
    var version: String?
    var application: String?
    var workerClass: String?
    var time: Double?
    var started: Double?
    var master: Int?
    var state: String?
    var target: Int?
    var acceptQueue: Int?
    var binds: [String]
    var workers: [WorkerStatus]
    var restarts: [Restart]
    var events: [Event]

    struct Restart: Equatable {
        var time: Double?
        var worker: Int?
        var pid: Int?
        var cause: String
        var text: String
    }

    struct Event: Equatable {
        var time: Double?
        var level: String
        var text: String
    }

    init(_ value: JSONValue) {
        version = value["version"].shown
        application = value["application"].shown
        workerClass = value["worker_class"].shown
        time = value["time"].number
        started = value["started"].number
        master = value["master"].integer
        state = value["state"].shown
        target = value["target_workers"].integer
        acceptQueue = value["accept_queue"].integer
        binds = value["binds"].elements.compactMap(\.shown)
        workers = value["workers"].elements.map { WorkerStatus($0) }
        restarts = value["restarts"].elements.map {
            Restart(
                time: $0["time"].number, worker: $0["worker"].integer, pid: $0["pid"].integer,
                cause: $0["cause"].shown ?? "", text: $0["text"].shown ?? "")
        }
        events = value["events"].elements.map {
            Event(time: $0["time"].number, level: $0["level"].shown ?? "", text: $0["text"].shown ?? "")
        }
    }

    /// Seconds since the server was started.
    var uptime: Double? {
        guard let time, let started else { return nil }
        return max(0, time - started)
    }

    var ready: Int { workers.count { $0.state == "ready" && !$0.isStuck } }

    /// The requests of all workers that have run longest, the oldest first, each with its worker.
    var slowest: [(worker: Int?, request: ConnectionEntry)] {
        workers.flatMap { worker in worker.slowest.map { (worker.worker, $0) } }
            .sorted { ($0.request.since ?? 0) > ($1.request.since ?? 0) }
    }
}

struct WorkerStatus: Equatable {
    var worker: Int?
    var age: Int?
    var pid: Int?
    var state: String
    var isStuck: Bool
    var uptime: Double?
    var silence: Double?
    var connections: Int?
    var limit: Int?
    var idle: Int?
    var webSockets: Int?
    var inFlight: Int?
    var requests: Int?
    var rss: Int?
    var cpu: Double?
    var slowest: [ConnectionEntry]

    init(_ value: JSONValue) {
        worker = value["worker"].integer
        age = value["age"].integer
        pid = value["pid"].integer
        state = value["state"].shown ?? Figures.unknown
        isStuck = value["stuck"].boolean ?? false
        uptime = value["uptime"].number
        silence = value["silence"].number
        connections = value["connections"].integer
        limit = value["connections_limit"].integer
        idle = value["idle"].integer
        webSockets = value["websockets"].integer
        inFlight = value["in_flight"].integer
        requests = value["requests"].integer
        rss = value["rss"].integer
        cpu = value["cpu"].number
        slowest = value["slowest"].elements.map { ConnectionEntry($0) }
    }
}

struct ConnectionEntry: Equatable {
    var id: String
    var peer: String
    var client: String?
    var state: String
    var since: Double?
    var method: String?
    var target: String?
    var requestID: String?
    var bytesIn: Int?
    var bytesOut: Int?
    var waitsFor: String

    init(_ value: JSONValue) {
        id = value["id"].shown ?? Figures.count(value["id"].integer)
        peer = value["peer"].shown ?? Figures.unknown
        client = value["client"].shown
        state = value["state"].shown ?? Figures.unknown
        since = value["since"].number
        method = value["method"].shown
        target = value["target"].shown
        requestID = value["request_id"].shown
        bytesIn = value["bytes_in"].integer
        bytesOut = value["bytes_out"].integer
        waitsFor = value["waits_for"].shown ?? ""
    }

    /// `GET /path`; nil without a request.
    var request: String? {
        guard let target else { return method }
        return method.map { "\($0) \(target)" } ?? target
    }
}

struct WorkerConnections {
    var worker: Int?
    var pid: Int?
    /// Read from shared memory, because the worker did not answer.
    var isShared: Bool
    var asOf: Double?
    var total: Int?
    var connections: [ConnectionEntry]

    init(_ value: JSONValue) {
        worker = value["worker"].integer
        pid = value["pid"].integer
        isShared = value["source"].text == "shared"
        asOf = value["as_of"].number
        total = value["total"].integer
        connections = value["connections"].elements.map { ConnectionEntry($0) }
    }

    static func all(_ answer: JSONValue) -> [WorkerConnections] { answer["workers"].elements.map { Self($0) } }
}

struct WorkerStacks {
    struct Stack {
        var kind: String
        var name: String
        /// `GET /path`
        var request: String?
        var client: String?
        var age: Double?
        var frames: [String]
    }

    var worker: Int?
    var pid: Int?
    /// Written by a signal's handler, because the worker did not answer.
    var isBySignal: Bool
    var stacks: [Stack]
    /// As many more there are.
    var leftOut: Int
    var lines: [String]

    init(_ value: JSONValue) {
        worker = value["worker"].integer
        pid = value["pid"].integer
        isBySignal = value["source"].text == "signal"
        leftOut = value["left_out"].integer ?? 0
        lines = value["text"].text.map(Printable.lines) ?? []
        stacks = value["stacks"].elements.map { stack in
            let request = stack["request"]
            let line = [request["method"].shown, request["target"].shown].compactMap { $0 }.joined(separator: " ")
            return Stack(
                kind: stack["kind"].shown ?? "", name: stack["name"].shown ?? "",
                request: line.isEmpty ? nil : line, client: request["client"].shown, age: request["age"].number,
                frames: stack["frames"].elements.flatMap { $0.text.map(Printable.lines) ?? [] })
        }
    }

    static func all(_ answer: JSONValue) -> [WorkerStacks] { answer["workers"].elements.map { Self($0) } }
}

extension JSONValue {
    /// A text as it may be printed.
    var shown: String? { text.map(Printable.text) }
}

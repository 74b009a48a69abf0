// POST /reload, /stop, /scale, /upgrade, /reopen-logs: asks the master, and sends what it says, a line of JSON for each
// step, until the last line says what has come of it. A client that leaves takes nothing back.

import EvLoop
import EvServer
import EvSupervisor
import HTTPCore
import JSONText

@LoopActor
final class Commands {
    private let link: ServerLink
    /// Clients that wait.
    private var waiting = 0

    /// More at once are refused.
    private static let most = 16

    init(_ link: ServerLink) { self.link = link }

    nonisolated static func isCommand(_ path: String) -> Bool {
        ["/reload", "/stop", "/scale", "/upgrade", "/reopen-logs"].contains(path)
    }

    /// - Parameter path: one for which ``isCommand(_:)`` is true.
    func answer(_ exchange: Exchange, _ path: String) {
        let command: MasterCommand
        do throws(Query.Mistake) {
            command = try Self.command(path, exchange.head)
        } catch {
            return exchange.answer(400, error.text)
        }
        guard waiting < Self.most else {
            return exchange.answer(503, "\(Self.most) commands are in progress already")
        }
        // nginx would keep the lines back.
        guard exchange.beginAnswer(type: "application/x-ndjson", more: ["X-Accel-Buffering": "no"]) else {
            return exchange.taskEnded()
        }
        waiting += 1
        let number = link.obey(command) { [unowned self] text, succeeded in
            write(exchange, Self.line(text, succeeded))
            guard succeeded != nil else { return }
            exchange.onClientLeft = nil
            waiting -= 1
            exchange.finish()
            exchange.taskEnded()
        }
        guard let number, !exchange.isGone else { return }
        exchange.onClientLeft = { [unowned self] in
            link.forget(command: number)
            waiting -= 1
            exchange.taskEnded()
        }
    }

    private static func command(_ path: String, _ head: RequestHead) throws(Query.Mistake) -> MasterCommand {
        switch path {
        case "/stop":
            let now = try Query(head, allowing: ["now"]).number("now") ?? 0
            guard now <= 1 else { throw Query.Mistake(text: "now is to be 0 or 1") }
            return .stop(now: now == 1)
        case "/scale":
            guard let workers = try Query(head, allowing: ["workers"]).number("workers"), workers > 0 else {
                throw Query.Mistake(text: "Say how many, 1 or more: /scale?workers=N")
            }
            return .scale(workers)
        default:
            _ = try Query(head)
            return path == "/reload" ? .reload : path == "/upgrade" ? .upgrade : .reopenLogs
        }
    }

    // MARK: the stream

    /// What a slow client has not taken is bounded by what a command can say: a line per second and one per event.
    private func write(_ exchange: Exchange, _ line: [UInt8]) {
        _ = line.withUnsafeBytes { exchange.write($0) }
    }

    private static func line(_ text: String, _ succeeded: Bool?) -> [UInt8] {
        var json = JSONWriter()
        json.object { json in
            if let succeeded {
                json.member("done", true)
                json.member("succeeded", succeeded)
            }
            json.member("text", text)
        }
        return json.bytes + [UInt8(ascii: "\n")]
    }
}

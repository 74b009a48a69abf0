// Every line that the master's decisions write to the log.
import Glibc
package import Logging

/// Something worth a line in the log.
package enum Notice: Equatable {
    case handling(signal: Int32)
    /// Over the admin socket.
    case asked(MasterCommand)
    case booting(pid: Int32)
    case ready(pid: Int32)
    case exiting(pid: Int32)
    case died(pid: Int32, ExitStatus)
    case diedBooting(pid: Int32, ExitStatus)
    case leftUnasked(pid: Int32)
    case neverReady(pid: Int32, seconds: Double)
    case killed(pid: Int32, KillReason)
    case nextStart(index: Int, delay: Double, failures: Int)
    case spawnFailed(reason: String, delay: Double)
    case haltedByBootFailure(code: Int32)
    case reloading
    case reloadQueued
    case reloaded
    case reloadAborted(kept: Int)
    case workers(Int)
    case workerLimit(Int)
    case workersClamped(to: Int, wanted: Int)
    case stoodStill(seconds: Double)
    case leaving(seconds: Double)
    case masterStarted(pid: Int32)
    case masterNotStarted(reason: String)
    case masterRefused(String)
    case masterEnded(pid: Int32, ExitStatus)
    case nextMasterReady(pid: Int32)
    case tookOver
    case withdrawing
}

/// Why the master sends SIGKILL.
package enum KillReason: Equatable {
    case hung
    case gracefulTimeout
    case quickStop
    case demanded
}

extension Notice {
    /// The process that it is about.
    package var pid: Int32? {
        switch self {
        case .booting(let pid), .ready(let pid), .exiting(let pid), .died(let pid, _), .diedBooting(let pid, _),
            .leftUnasked(let pid), .neverReady(let pid, _), .killed(let pid, _):
            pid
        default: nil
        }
    }

    package var level: Logger.Level {
        switch self {
        case .handling, .asked, .booting, .exiting, .reloading, .reloadQueued, .reloaded, .workers: .info
        case .leaving, .masterStarted, .nextMasterReady, .tookOver, .withdrawing, .masterEnded(_, .exited(code: 0)):
            .info
        case .ready: .debug
        case .nextStart, .workerLimit, .workersClamped, .stoodStill, .masterRefused: .warning
        case .killed(_, .quickStop), .killed(_, .demanded): .warning
        case .haltedByBootFailure: .critical
        case .died, .diedBooting, .leftUnasked, .neverReady, .killed, .spawnFailed, .reloadAborted: .error
        case .masterEnded, .masterNotStarted: .error
        }
    }

    package var text: String {
        switch self {
        case .handling(let signal): "Handling signal: \(signalName(signal).dropFirst(3).lowercased())"
        case .asked(let command): "Asked over the admin socket: \(command.text)"
        case .booting(let pid): "Booting worker with pid: \(pid)"
        case .ready(let pid): "Worker ready (pid: \(pid))"
        case .exiting(let pid): "Worker exiting (pid: \(pid))"
        case .died(let pid, .signaled(SIGKILL, _)):
            // gunicorn's words, for which people search their logs.
            "Worker (pid: \(pid)) was sent SIGKILL! Perhaps out of memory? The master did not send it"
        case .died(let pid, .exited(ExitCode.descriptorsLost)):
            "Worker (pid: \(pid)) has lost descriptors of its own, which the app must have closed"
        case .died(let pid, let status): "Worker (pid: \(pid)) \(status)"
        case .diedBooting(let pid, let status): "Worker (pid: \(pid)) \(status) before it was ready"
        case .leftUnasked(let pid):
            "Worker (pid: \(pid)) exited with code 0 and had not finished; did the app end the process?"
        case .neverReady(let pid, let seconds):
            "Worker (pid: \(pid)) was not ready after \(rounded(seconds)) s and is aborted"
        case .killed(let pid, .hung): "Worker (pid: \(pid)) outlived SIGABRT and was sent SIGKILL"
        case .killed(let pid, .gracefulTimeout):
            "Worker (pid: \(pid)) did not end within the graceful timeout and was sent SIGKILL"
        case .killed(let pid, .quickStop): "Worker (pid: \(pid)) did not quit and was sent SIGKILL"
        case .killed(let pid, .demanded): "Worker (pid: \(pid)) was sent SIGKILL"
        case .nextStart(let index, let delay, let failures):
            "Worker \(index) has ended early \(failures) time(s) in a row; next start in \(rounded(delay)) s"
        case .spawnFailed(let reason, let delay):
            "Cannot start a worker: \(reason); next attempt in \(rounded(delay)) s"
        case .haltedByBootFailure(ExitCode.appLoadFailed): "App failed to load"
        case .haltedByBootFailure: "Worker failed to boot"
        case .reloading: "Reloading: workers are replaced one by one"
        case .reloadQueued: "A reload is in progress; another one follows it"
        case .reloaded: "Reloaded"
        case .reloadAborted(let kept):
            "Reload aborted: a new worker failed to boot; \(kept) worker(s) of before go on serving"
        case .workers(let count): "Number of workers: \(count)"
        case .workerLimit(let count): "Number of workers stays at \(count), the most there is room for"
        case .workersClamped(let room, let wanted):
            "There is room for \(room) workers, not for \(wanted); more take effect at the next start"
        case .stoodStill(let seconds):
            "The master stood still for \(rounded(seconds)) s; workers are granted as much"
        case .leaving(let seconds):
            "Leaving in \(rounded(seconds)) s: until then connections are accepted, and each ends with its answer"
        case .masterStarted(let pid): "Started the next master (pid: \(pid)); this one serves until it is told to go"
        case .masterNotStarted(let reason): "Cannot start the next master: \(reason)"
        case .masterRefused(let reason): "No next master is started: \(reason)"
        case .masterEnded(let pid, let status): "The next master (pid: \(pid)) \(status); this one goes on alone"
        case .nextMasterReady(let pid): "The next master serves (pid: \(pid)): the workers of this one leave"
        case .tookOver: "The former master has ended: this one serves alone"
        case .withdrawing: "All workers leave; HUP brings them back"
        }
    }
}

/// The watchdog's line: which worker stands still, for how long, and the requests that it was running.
package func hangReport(
    pid: Int32, silence: Double, now: Double, current: (line: String, startedAt: Double)?,
    longest: (line: String, startedAt: Double)?
) -> String {
    func named(_ request: (line: String, startedAt: Double)) -> String {
        "\"\(escapingControls(request.line))\" for \(rounded(max(0, now - request.startedAt))) s"
    }
    var text = "WORKER TIMEOUT (pid: \(pid)): it has stood still for \(rounded(silence)) s and is aborted"
    text += current.map { "; it is in \(named($0))" } ?? "; it is in no request"
    if let longest, longest.line != current?.line || longest.startedAt != current?.startedAt {
        text += "; its longest is \(named(longest))"
    }
    return text
}

/// The line about a loop that stands still, where requests that take long are told of.
func standstillReport(
    pid: Int32, now: Double, beat: Double, current: (line: String, startedAt: Double),
    longest: (line: String, startedAt: Double)?
) -> String {
    /// Method and path, without the query and the version.
    func named(_ line: String) -> String {
        let words = line.split(separator: " ", maxSplits: 2, omittingEmptySubsequences: false)
        let path = words.count > 1 ? words[1].prefix { $0 != "?" } : ""
        return "\"\(escapingControls("\(words.first ?? "") \(path)"))\""
    }
    let age = rounded(max(0, now - current.startedAt))
    // The clock of requests may be some milliseconds behind.
    if current.startedAt >= beat - 0.05 {
        return "A request is slow: \(named(current.line)), for \(age) s, in the app, and the loop of its worker stands "
            + "still (pid: \(pid))"
    }
    var text =
        "The loop of a worker has stood still for \(rounded(now - beat)) s (pid: \(pid)): it began "
        + "\(named(current.line)) last, \(age) s ago"
    if let longest, longest.line != current.line || longest.startedAt != current.startedAt {
        text += "; its longest request is \(named(longest.line)), for \(rounded(max(0, now - longest.startedAt))) s"
    }
    return text
}

/// Seconds with one digit after the point.
func rounded(_ seconds: Double) -> String {
    guard seconds.isFinite, abs(seconds) < 1e9 else { return "\(seconds)" }
    let tenths = Int((seconds * 10).rounded())
    return tenths % 10 == 0 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths % 10))"
}

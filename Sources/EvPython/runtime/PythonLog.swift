// Python's logging in place of the server's own log. Law: the master, which has one thread and no Task, calls Python at
// once. A worker leaves what it has to say in a queue, and Python takes it where the app may run (python_log.c): never
// inside of a Swift access or job. What Python cannot take goes to the server's own log, or is counted as lost.

public import CPythonBridge
import EvHost
import EvLoop
import EvServer
import EvSettings
import HTTPCore
import Logging
import Synchronization

enum PythonLog {
    enum Entry: Sendable {
        case line(level: Int32, text: String)
        case request(EndedRequest)
        case reopen
    }

    /// Entries that wait at most. A handler that hangs must not fill the memory.
    private static let capacity = 10_000

    private enum Mode { case off, direct, queued }

    private struct State {
        var mode = Mode.off
        /// In a worker: what comes goes to the queue.
        var isWorker = false
        var isInside = false
        var entries: [Entry] = []
        var next = 0
        var lost = 0
    }

    private static let state = Mutex(State())

    static var isOn: Bool { state.withLock { $0.mode != .off } }

    /// Python logs from here on, at once.
    static func open(_ log: ErrorLog) {
        state.withLock { $0.mode = .direct }
        log.relay = { level, text in say(level, text) }
    }

    static func close(_ log: ErrorLog) {
        state.withLock { $0.mode = .off }
        log.relay = nil
    }

    /// In a worker: from here on nothing is called at once.
    static func beginWorker(beside: Bool) {
        evg_py_log_taken_by(beside ? EVG_LOG_THREAD : EVG_LOG_LOOP)
        state.withLock {
            $0.isWorker = true
            if $0.mode == .direct { $0.mode = .queued }
        }
    }

    /// At the end of a worker: what comes now is for the server's own log.
    static func endWorker() {
        state.withLock { $0.mode = .off }
    }

    /// Opens the files of handlers again, after what was logged before.
    static func reopen() {
        if state.withLock({ $0.isWorker }) {
            leave(.reopen)
        } else {
            _ = PythonHost.ask("logqueue", "reopen", .none)
        }
    }

    /// Returns true if Python has it, or will.
    private static func say(_ level: Logger.Level, _ text: String) -> Bool {
        let mode = state.withLock { state -> Mode in
            guard state.mode == .direct else { return state.mode }
            // A logger that fails is reported, and must not be asked to log that.
            guard !state.isInside else { return .off }
            state.isInside = true
            return .direct
        }
        switch mode {
        case .off:
            return false
        case .queued:
            leave(.line(level: level.ofPython, text: text))
            return true
        case .direct:
            defer { state.withLock { $0.isInside = false } }
            let answer = PythonHost.ask("pylog", "say", .list([.integer(Int(level.ofPython)), .text(text)]))
            return answer == .boolean(true)
        }
    }

    static func leave(_ entry: Entry) {
        state.withLock { state in
            guard state.entries.count - state.next < capacity else { return state.lost += 1 }
            state.entries.append(entry)
        }
        evg_py_log_left()
        if LoopExecutor.shared.isOnLoopThread {
            LoopActor.assumeIsolated { LoopExecutor.shared.boundLoop?.noteChange() }
        } else {
            LoopExecutor.shared.submit {}
        }
    }

    fileprivate static func take() -> Entry? {
        state.withLock { state -> Entry? in
            let isEmpty = state.next == state.entries.count
            if isEmpty {
                state.entries.removeAll(keepingCapacity: state.entries.capacity < 256)
                state.next = 0
            }
            if state.lost >= capacity || isEmpty && state.lost > 0 {
                defer { state.lost = 0 }
                return .line(
                    level: 30, text: "\(state.lost) entries of the log are lost: its handlers are too slow for them")
            }
            guard !isEmpty else { return nil }
            let entry = state.entries[state.next]
            state.entries[state.next] = .reopen
            state.next += 1
            // What was taken must not gather while handlers never come to the end.
            if state.next == 1024 {
                state.entries.removeFirst(1024)
                state.next = 0
            }
            return entry
        }
    }
}

/// A request as the access log sees it, for as long as it waits.
struct EndedRequest: Sendable {
    /// Nil for one that could not be read.
    var head: RequestHead?
    /// How it began, if it could not be read.
    var line: [UInt8] = []
    var address = ""
    var port: UInt16 = 0
    var scheme: StaticString = "http"
    var status: Int32
    var sent: UInt64
    var responseFields: [UInt8]
    /// The line of the log, where its form is no format of gunicorn's.
    var formatted: [UInt8] = []
    var seconds: Double
}

/// Leaves each request for the logger.
@LoopActor
final class PythonAccessLog: AccessLogObserver {
    private let hasOwnForm: Bool

    /// - Parameter hasOwnForm: the lines are no format of gunicorn's.
    nonisolated init(hasOwnForm: Bool) { self.hasOwnForm = hasOwnForm }

    func requestEnded(_ request: borrowing FinishedRequest) {
        var ended = EndedRequest(
            status: Int32(clamping: request.record.status), sent: request.record.bodyBytes ?? 0,
            responseFields: Array(request.responseFields), seconds: request.record.duration)
        ended.address = String(decoding: request.record.remoteAddress, as: UTF8.self)
        if let exchange = request.exchange {
            ended.head = exchange.head
            (ended.port, ended.scheme) = (exchange.client.port, exchange.client.scheme)
        } else {
            ended.line = Array(request.record.requestLine)
        }
        if hasOwnForm { ended.formatted = Array(request.line) }
        PythonLog.leave(.request(ended))
    }

    func turnEnded() {}

    func reopen() {}
}

extension Logger.Level {
    /// As Python's logging has it.
    var ofPython: Int32 {
        switch self {
        case .trace, .debug: 10
        case .info, .notice: 20
        case .warning: 30
        case .error: 40
        case .critical: 50
        }
    }

    init(ofPython level: Int) {
        self =
            switch level {
            case ...10: .debug
            case ...20: .info
            case ...30: .warning
            case ...40: .error
            default: .critical
            }
    }
}

// MARK: - What Python takes

/// What the entry lends that was taken last. One thread at a time takes entries.
private enum Lent {
    nonisolated(unsafe) static var bytes: UnsafeMutableRawBufferPointer?
    nonisolated(unsafe) static var head: RequestHead?

    /// Copies parts to one block, and returns where they are.
    static func keep(_ parts: [some Collection<UInt8>]) -> [evg_py_text] {
        bytes?.deallocate()
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: parts.reduce(1) { $0 + $1.count }, alignment: 1)
        bytes = block
        var start = 0
        return parts.map { part in
            let place = UnsafeMutableRawBufferPointer(rebasing: block[start..<(start + part.count)])
            place.copyBytes(from: part)
            start += part.count
            return evg_py_text(UnsafeRawBufferPointer(place))
        }
    }
}

@_cdecl("evg_swift_log_next")
public func nextOfLog(_ entry: UnsafeMutablePointer<evg_py_log_entry>) -> Bool {
    Lent.head = nil
    switch PythonLog.take() {
    case nil:
        return false
    case .reopen:
        entry.pointee.kind = EVG_LOG_REOPEN
    case .line(let level, let text):
        entry.pointee.kind = EVG_LOG_LINE
        entry.pointee.level = level
        entry.pointee.text = Lent.keep([Array(text.utf8)])[0]
    case .request(let request):
        entry.pointee.kind = request.head == nil ? EVG_LOG_REFUSED : EVG_LOG_REQUEST
        let kept = Lent.keep([
            request.line, Array(request.address.utf8), request.responseFields, request.formatted,
        ])
        (entry.pointee.text, entry.pointee.address) = (kept[0], kept[1])
        (entry.pointee.lines, entry.pointee.formatted) = (kept[2], kept[3])
        entry.pointee.port = request.port
        entry.pointee.scheme = evg_py_text(request.scheme.bytes)
        entry.pointee.status = request.status
        entry.pointee.sent = request.sent
        entry.pointee.seconds = request.seconds
        Lent.head = request.head
        entry.pointee.head = request.head?.record
    }
    return true
}

// The live view on a terminal: one wait for keys, signals, the server and the second, and nothing else that waits.

import EvLoop
import Glibc
import JSONText

final class WatchSession {
    private let find: ClientCommands.Finder
    private let connect: (ClientAddress) -> AdminClient
    private let output: Output
    private let terminal: WatchTerminal
    private let signals: Int32
    private var model = WatchModel()
    private var keys = KeyReader()
    /// When an escape that stands alone is a key.
    private var keyDeadline: Double?
    private var client: AdminClient?
    private var call: (target: String, call: ClientCall)?
    /// What is still to be asked in this round.
    private var queue: [String] = []
    private var hasFailed = false
    private var nextRound = 0.0
    private var isDirty = true
    private var exitCode: Int32?

    private static let period = 1.0
    /// The bytes of one key come together, also over a slow line.
    private static let keyPause = 0.1

    /// - Parameters:
    ///   - client: a client whose server has answered with `status`.
    ///   - connect: makes another one when the server is found somewhere else.
    /// - Returns: nil if there is no keyboard.
    init?(
        _ client: AdminClient, _ status: ServerStatus, find: @escaping ClientCommands.Finder,
        connect: @escaping (ClientAddress) -> AdminClient, output: Output
    ) {
        guard let terminal = WatchTerminal(), let signals = terminal.catchSignals() else { return nil }
        self.client = client
        self.find = find
        self.connect = connect
        self.output = output
        self.terminal = terminal
        self.signals = signals
        model.take(status)
    }

    func run() -> Int32 {
        terminal.enter()
        defer { terminal.leave() }
        nextRound = EventLoop.monotonicNow() + Self.period
        while exitCode == nil {
            if isDirty { draw() }
            wait()
            begin()
        }
        return exitCode ?? 0
    }

    private func draw() {
        isDirty = false
        let size = Output.size() ?? (80, 24)
        let screen = WatchScreen(model: model, columns: size.columns, rows: size.rows)
        let bytes = WatchScreen.bytes(screen.lines, columns: size.columns, output.screenInk)
        if !Output.write(bytes) { exitCode = 0 }
    }

    // MARK: waiting

    private func wait() {
        var entries = [
            pollfd(fd: terminal.input, events: Int16(POLLIN), revents: 0),
            pollfd(fd: signals, events: Int16(POLLIN), revents: 0),
        ]
        var due = call?.call.wakeUp ?? nextRound
        if let keyDeadline { due = min(due, keyDeadline) }
        if let call, call.call.events != 0 {
            entries.append(pollfd(fd: call.call.descriptor, events: call.call.events, revents: 0))
        }
        let seconds = min(60, max(0, due - EventLoop.monotonicNow()))
        poll(&entries, nfds_t(entries.count), Int32((seconds * 1000).rounded(.up)))
        if entries[1].revents != 0 { readSignals() }
        if entries[0].revents & Int16(POLLIN) != 0 {
            readKeys()
        } else if entries[0].revents != 0 {
            // The terminal is gone.
            exitCode = 0
        }
        let now = EventLoop.monotonicNow()
        if let deadline = keyDeadline, now >= deadline {
            keyDeadline = nil
            press(keys.settle())
        }
        if entries.count > 2 && entries[2].revents != 0 || now >= call?.call.wakeUp ?? .infinity { goOn() }
    }

    private func readSignals() {
        var bytes = [UInt8](repeating: 0, count: 64)
        let count = read(signals, &bytes, bytes.count)
        for byte in bytes.prefix(max(0, count)) {
            isDirty = true
            switch Int32(byte) {
            case SIGINT: exitCode = 0
            case SIGWINCH: break
            case SIGCONT: terminal.enter()
            case SIGTSTP:
                terminal.yield(to: SIGTSTP)
                terminal.enter()
            case let number: terminal.yield(to: number)
            }
        }
    }

    private func readKeys() {
        var bytes = [UInt8](repeating: 0, count: 256)
        let count = read(terminal.input, &bytes, bytes.count)
        if count <= 0 {
            if count == 0 || errno != EINTR && errno != EAGAIN { exitCode = 0 }
            return
        }
        press(keys.feed(bytes[..<count]))
        keyDeadline = keys.isUndecided ? EventLoop.monotonicNow() + Self.keyPause : nil
    }

    private func press(_ keys: [Key]) {
        for key in keys {
            isDirty = true
            switch model.press(key, page: Output.size()?.rows ?? 24) {
            case .nothing: break
            case .leave: exitCode = 0
            case .ask:
                queue = []
                nextRound = 0
            }
        }
    }

    // MARK: asking

    /// Asks the next question, if one is due and none is on its way.
    private func begin() {
        guard call == nil, exitCode == nil else { return }
        if queue.isEmpty {
            let now = EventLoop.monotonicNow()
            guard now >= nextRound else { return }
            nextRound = now + Self.period
            queue = model.targets
            hasFailed = false
        }
        let target = queue.removeFirst()
        do throws(ClientError) {
            let client: AdminClient
            if let known = self.client { client = known } else { client = connect(try find()) }
            self.client = client
            call = (target, try ClientCall(client.address, client.request("GET", target)))
        } catch {
            fail(error)
        }
    }

    private func goOn() {
        guard let (target, call) = call, let client else { return }
        do throws(ClientError) {
            try call.advance()
            guard call.isFinished else { return }
            take(try client.json(client.body(of: call, target)), target)
            if queue.isEmpty, !hasFailed { model.notice = nil }
        } catch {
            fail(error)
        }
        self.call = nil
        isDirty = true
    }

    private func take(_ value: JSONValue, _ target: String) {
        switch target.prefix(while: { $0 != "?" }) {
        case "/connections": model.take(WorkerConnections.all(value))
        case "/stacks": model.take(WorkerStacks.all(value))
        default: model.take(ServerStatus(value))
        }
    }

    private func fail(_ error: ClientError) {
        call = nil
        queue = []
        hasFailed = true
        isDirty = true
        // The rest is advice, and lines.
        model.notice = String(error.reason.prefix { $0 != "\n" && $0 != ";" })
        // It may answer somewhere else when it comes back.
        if error.kind == .unreachable { client = nil }
    }
}

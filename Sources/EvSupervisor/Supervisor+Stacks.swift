// The stacks of a worker whose loop stands still: asked for by a signal, read from a pipe. Law: the master waits for no
// worker; what has not come in half a second is not waited for.

import EvLoop
import Glibc
import Logging

/// The master's end of a worker's pipe.
final class StackReader {
    /// What a worker that is stopped in the kernel, or that knows no stacks, may cost its watchdog, in seconds.
    private static let patience = 0.5
    private static let mostBytes = 1 << 20

    let descriptor: Int32
    private var watcher: IOWatcher?
    private var timer: TimerWatcher?
    private var text: [UInt8] = []
    private var readers: [(String) -> Void] = []

    init(_ descriptor: Int32, _ loop: EventLoop) {
        self.descriptor = descriptor
        watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .read) { [unowned self] _ in
            if take() { finish() }
        }
        timer = TimerWatcher(loop) { [unowned self] in finish() }
    }

    /// Sends the signal, unless an answer is under way.
    ///
    /// - Parameter deliver: called once, also if the worker ends; with nothing if it has not written anything.
    func ask(_ pid: Int32, _ signal: Int32, _ deliver: @escaping (String) -> Void) {
        readers.append(deliver)
        guard readers.count == 1 else { return }
        // What came too late belongs to an earlier question.
        take()
        text = []
        watcher?.start()
        timer?.start(after: Self.patience)
        kill(pid, signal)
    }

    /// Returns true if all has come.
    @discardableResult
    private func take() -> Bool {
        withUnsafeTemporaryAllocation(byteCount: 16_384, alignment: 1) { bytes in
            while true {
                let count = read(descriptor, bytes.baseAddress, bytes.count)
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return count == 0 }
                let part = bytes[..<count]
                let end = part.firstIndex(of: 0)
                if text.count < Self.mostBytes { text.append(contentsOf: part[..<(end ?? count)]) }
                if end != nil { return true }
            }
        }
    }

    private func finish() {
        stop()
        let (told, waiting) = (String(decoding: text, as: UTF8.self), readers)
        (text, readers) = ([], [])
        for reader in waiting { reader(told) }
    }

    func stop() {
        watcher?.stop()
        timer?.stop()
    }

    /// The worker has ended.
    func close() {
        if !readers.isEmpty {
            take()
            finish()
        }
        Glibc.close(descriptor)
    }

    /// In another process that was forked: only lets go of the descriptor.
    func abandon() {
        stop()
        Glibc.close(descriptor)
    }
}

extension Supervisor {
    /// Asks a worker for its stacks, which it writes even when its loop stands still.
    ///
    /// - Parameters:
    ///   - all: of all threads, which may end the process; else of the thread that the loop is on.
    ///   - deliver: called once within half a second, from a callback of the loop: with the text as Python's
    ///     faulthandler writes it, the innermost frame first, or without any if there are no stacks to be had.
    package func collectStacks(of pid: Int32, all: Bool, _ deliver: @escaping (String) -> Void) {
        guard let child = children[pid], let stacks = child.stacks else { return deliver("") }
        stacks.ask(pid, all ? StackSignal.ofAll : StackSignal.ofLoop, deliver)
    }

    /// Ends a worker that stands still, when its stacks are in the log.
    func abort(_ pid: Int32) {
        collectStacks(of: pid, all: true) { [self] stacks in
            write(stacks, of: pid, level: .critical)
            // A child that has been reaped gets no signal: another process may have its id now.
            if children[pid] != nil { kill(pid, SIGABRT) }
        }
    }

    /// Each line begins with two spaces, so that none looks like an entry of the log.
    private func write(_ stacks: String, of pid: Int32, level: Logger.Level) {
        guard !stacks.isEmpty else { return }
        let lines = stacks.split(separator: "\n").map { "  \(escapingControls(String($0), quotes: false))\n" }
        writeText("Stacks of the worker (pid: \(pid)):\n" + lines.joined(), level)
    }

    // MARK: `--slow-request`, where the loop stands still and cannot tell

    /// Once a second.
    func lookForSlowRequests(_ now: Double) {
        guard configuration.slowRequest > 0, let scoreboard else { return }
        // After a pause of the master's own, or of the machine, old heartbeats mean nothing.
        let isLate = now - lastSlowLook > Self.longestSlowLook
        lastSlowLook = now
        guard !isLate else { return }
        for (pid, child) in children {
            let slot = scoreboard[child.slotIndex]
            guard slot.state != .booting, slot.state != .empty, let current = slot.currentRequest else { continue }
            let beat = slot.heartbeat
            guard now - beat > Self.shortestStandstill, child.toldBeat != beat else { continue }
            guard now - max(beat, current.startedAt) >= configuration.slowRequest else { continue }
            children[pid]?.toldBeat = beat
            let text = standstillReport(pid: pid, now: now, beat: beat, current: current, longest: slot.longestRequest)
            collectStacks(of: pid, all: false) { [self] stacks in
                logger.warning("\(text)")
                write(stacks, of: pid, level: .warning)
            }
        }
    }

    /// A loop that turns beats once a second.
    private static let shortestStandstill = 1.2
    private static let longestSlowLook = 3.0
}

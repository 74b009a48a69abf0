// The worker's logs: their files after a rotation, and what was lost of them.

import EvLoop
import EvServer
import EvSupervisor
import Glibc
import Logging

extension WorkerProcess {
    func reopenLogs() {
        // Buffered lines were logged before the rotation, so they go to the old file.
        accessLog?.flush()
        logs.reopen()
        accessLog?.reopened()
        host.reopenLog()
        rememberLogs()
    }

    /// Says how many lines of the access log were lost: when it begins, then once a minute, and at the end.
    func reportLostLines(atOnce: Bool) {
        countLostLines()
        let now = EventLoop.monotonicNow()
        guard atOnce || now >= nextLossReport else { return }
        let all = unreportedLosses
        unreportedLosses = [:]
        for (name, lost) in all.sorted(by: { $0.key < $1.key }) {
            nextLossReport = now + 60
            let isStatsd = name == "statsd"
            let what = isStatsd ? lost.counted("datagram") + " for statsd" : lost.counted("line") + " of \(name)"
            logger.warning("Lost \(what): \(lost.reasonText) (pid: \(getpid()))")
        }
    }

    private func countLostLines() {
        var all = accessLog?.takeLost() ?? []
        all.append(("the error log in syslog", logs.errorLog.takeLostToSyslog()))
        all.append(("statsd", logs.errorLog.takeLostToStatsd()))
        for (name, lost) in all where lost.count > 0 {
            unreportedLosses[name, default: LostLines()].add(lost.count, lost.reason)
            lostLines += lost.count
        }
        // The error log says itself what it has lost, when it can.
        context.report?.counters[Counter.lostLines] = UInt64(lostLines + logs.errorLog.lostEver)
    }
}

// The worker's logs: their files after a rotation, and what was lost of them.

import EvLoop
import EvServer
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
        let now = EventLoop.monotonicNow()
        guard atOnce || now >= nextLossReport else { return }
        var all = accessLog?.takeLost() ?? []
        let syslog = logs.errorLog.takeLostToSyslog()
        if syslog.count > 0 { all.append(("the error log in syslog", syslog)) }
        for (name, lost) in all {
            nextLossReport = now + 60
            let isStatsd = name == "statsd"
            let what = isStatsd ? lost.counted("datagram") + " for statsd" : lost.counted("line") + " of \(name)"
            logger.warning("Lost \(what): \(lost.reasonText) (pid: \(getpid()))")
        }
    }
}

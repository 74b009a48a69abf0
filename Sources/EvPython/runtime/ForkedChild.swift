// The last word of a process that the app has forked and that comes back to the server. Law: no lock of the log's is
// taken, because another thread of the parent may have held it at the fork.

import CPythonBridge
import EvHost
import EvLoop
import Glibc
import Logging

/// Writes a warning to the error log, by its descriptor.
@_cdecl("evg_swift_forked_child_ends")
public func forkedChildEnds(_ log: Int32, _ code: Int32) {
    var stamp: [UInt8] = []
    LocalTime(secondsSinceEpoch: time(nil)).appendISO(to: &stamp)
    var line: [UInt8] = []
    LogLine.append(
        stamp: stamp, processIdentifier: getpid(), level: .warning,
        message: "A process that the app forked came back to the server: it ends, and its parent answers",
        metadata: [("parent", "\(getppid())"), ("status", "\(code)")], to: &line)
    line.withUnsafeBytes { _ = Glibc.write(log, $0.baseAddress, $0.count) }
}

// Where the access log goes: sinks take lines in batches, an observer takes each request as a value.
// None of them may wait: they are called between requests, on the loop's thread.

package import EvLoop

/// Takes the lines of an access log.
@LoopActor
package protocol AccessLogSink: AnyObject {
    /// Takes the lines of a turn of the loop, each whole and with its line feed. What cannot be written is counted.
    func write(_ lines: UnsafeRawBufferPointer)

    /// What could not be written at once is tried again. Returns true if nothing waits any more.
    func retry() -> Bool

    /// What is to become writable before that; nil if nothing waits.
    var waitingDescriptor: Int32? { get }

    /// Before the worker ends: waits a moment for what has not been taken yet.
    func finish()

    /// As messages name it: `the access log /var/log/access.log`.
    var name: String { get }

    /// Returns how many lines were lost since the last call.
    func takeLost() -> LostLines
}

extension AccessLogSink {
    package func retry() -> Bool { true }
    package var waitingDescriptor: Int32? { nil }
    package func finish() {}
}

/// Counts requests, whether they have a line or not.
@LoopActor
package protocol RequestMetrics: AnyObject {
    /// A request has ended after so many seconds.
    func requestEnded(status: Int, duration: Double)
    /// Once after the turn in which there was one.
    func turnEnded()
    /// Once a second: what could not be sent at once is tried again.
    func retry()
    /// Before the worker ends: waits a moment for what has not been taken yet.
    func finish()
    /// Returns how much was lost since the last call.
    func takeLost() -> LostLines
}

/// Takes each request that has a line in the log, such as for a log in the app's own language.
@LoopActor
package protocol AccessLogObserver: AnyObject {
    /// A request has ended. Called from within whatever has ended it, a task of the app's for example: keep what is
    /// needed, and call nothing of the app's before `turnEnded`.
    func requestEnded(_ request: borrowing FinishedRequest)

    /// Once after the turn in which `requestEnded` was called, before the next poll; and when the loop has ended. No
    /// task of the app's is on the stack.
    func turnEnded()

    /// The server has opened its logs again, after a rotation: the observer's turn. Called by the loop, as `turnEnded`.
    func reopen()
}

/// A request that has ended. Buffers are valid only during the call that hands it over.
package struct FinishedRequest {
    package let record: AccessLogRecord
    /// The line in the log's format, without its line feed.
    package let line: UnsafeRawBufferPointer
    /// The fields of the answer as they were sent: lines of `Name: value`, each with its CRLF.
    package let responseFields: UnsafeRawBufferPointer
    /// Nil for a head that could not be read.
    package let exchange: Exchange?
}

/// The lines go to a file or a standard stream.
package final class LogFileSink: AccessLogSink {
    private let file: LogFile

    package init(_ file: LogFile) { self.file = file }

    package var name: String { file.path == "-" ? "the access log" : "the access log \(file.path)" }

    package func write(_ lines: UnsafeRawBufferPointer) { file.write(lines) }
    package func retry() -> Bool { file.retry() }
    package var waitingDescriptor: Int32? { file.waitingDescriptor }
    package func finish() { file.finish(seconds: 0.5) }
    package func takeLost() -> LostLines { file.takeLost() }
}

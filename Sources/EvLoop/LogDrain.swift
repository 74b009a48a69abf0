// Writes what waits of a log as soon as its reader takes more. Law: it watches a descriptor of its own, so that neither
// a log that is opened again nor an app that closes standard streams takes that away under the loop.

import Glibc

package final class LogDrain {
    private let loop: EventLoop
    private let retry: () -> Bool
    private var watcher: IOWatcher?
    private var descriptor: Int32 = -1

    /// - Parameter retry: tries again what waits, and returns true if nothing does any more.
    package init(_ loop: EventLoop, retry: @escaping () -> Bool) {
        self.loop = loop
        self.retry = retry
    }

    deinit { stop() }

    /// Watches while something waits; to be called once a second.
    ///
    /// - Parameter waiting: where what waits is to be written; nil if nothing waits, or it is not known where.
    package func look(at waiting: Int32?) {
        guard let waiting else { return stop() }
        guard watcher == nil else { return }
        descriptor = fcntl(waiting, F_DUPFD_CLOEXEC, 3)
        guard descriptor >= 0 else { return }
        let watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .write) { [unowned self] _ in writable() }
        self.watcher = watcher
        watcher.start()
    }

    private func writable() {
        // The object stays until the next look: its own callback is on the stack.
        if retry() { watcher?.stop() }
    }

    private func stop() {
        watcher?.stop()
        watcher = nil
        if descriptor >= 0 { _ = close(descriptor) }
        descriptor = -1
    }
}

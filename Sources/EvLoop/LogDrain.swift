// Writes what waits of a log as soon as its reader takes more. Law: it watches a descriptor of its own, so that neither
// a log that is opened again nor an app that closes standard streams takes that away under the loop; and each time a
// fresh one, so that the end of a connection is not told again and again.

import Glibc

package final class LogDrain {
    private let loop: EventLoop
    private let retry: () -> Int32?
    private var watcher: IOWatcher?
    /// Its callback may be on the stack.
    private var former: IOWatcher?
    private var descriptor: Int32 = -1

    /// - Parameter retry: tries again what waits, and returns what `look` takes.
    package init(_ loop: EventLoop, retry: @escaping () -> Int32?) {
        self.loop = loop
        self.retry = retry
    }

    deinit { stop() }

    /// Tries again what waits, and watches for as long as something does. To be called once a second.
    package func look() {
        // What is watched will be told.
        if watcher == nil { watch(retry()) }
    }

    /// - Parameter waiting: where what waits is to be written; nil if nothing waits, or it is not known where.
    private func watch(_ waiting: Int32?) {
        guard let waiting else { return }
        descriptor = fcntl(waiting, F_DUPFD_CLOEXEC, 3)
        guard descriptor >= 0 else { return }
        let watcher = IOWatcher(loop, fileDescriptor: descriptor, events: .write) { [unowned self] _ in writable() }
        self.watcher = watcher
        watcher.start()
    }

    private func writable() {
        stop()
        watch(retry())
    }

    private func stop() {
        watcher?.stop()
        former = watcher
        watcher = nil
        if descriptor >= 0 { _ = close(descriptor) }
        descriptor = -1
    }
}

// What several test targets use: the one loop of the test process, events to wait for, threads.

package import EvLoop
import Glibc

/// The process's one `LoopActor` loop, on a thread of its own; tests marked `@LoopActor` run there.
package enum SharedLoop {
    nonisolated(unsafe) private static var loop: EventLoop?
    private static let start: Void = {
        let started = Signal()
        signal(SIGPIPE, SIG_IGN)
        startThread {
            if let made = try? EventLoop() {
                loop = made
                LoopExecutor.shared.bind(to: made)
                started.signal()
                made.run()
            }
        }
        started.wait()
    }()

    /// Starts the loop on first use.
    package static func ensure() { start }

    @LoopActor package static var current: EventLoop {
        get throws {
            guard let loop else { throw SystemError("epoll_create1") }
            return loop
        }
    }
}

/// An event that one side waits for and the other reports. Each report ends one wait.
package final class Signal: Sendable {
    private let reading: Int32
    private let writing: Int32

    package init() {
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        (reading, writing) = (ends[0], ends[1])
    }

    deinit {
        close(reading)
        close(writing)
    }

    package func signal() {
        var byte: UInt8 = 1
        _ = write(writing, &byte, 1)
    }

    /// Returns true if the event came within twenty seconds.
    @discardableResult package func wait() -> Bool {
        var entry = pollfd(fd: reading, events: Int16(POLLIN), revents: 0)
        guard poll(&entry, 1, 20_000) == 1 else { return false }
        var byte: UInt8 = 0
        return read(reading, &byte, 1) == 1
    }
}

package func startThread(_ body: @escaping @Sendable () -> Void) {
    var thread = pthread_t()
    pthread_create(
        &thread, nil,
        { box in
            if let box { Unmanaged<ThreadBody>.fromOpaque(box).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(ThreadBody(body)).toOpaque())
    pthread_detach(thread)
}

private final class ThreadBody: Sendable {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
}

import EvLoop
import EvTestSupport
import Glibc
import Testing

/// A loop that another one drives: every reason to run it must make its epoll descriptor readable.
@Suite struct GuestLoopTests {
    private func isReadable(_ loop: EventLoop, milliseconds: Int32) -> Bool {
        var entry = pollfd(fd: loop.backendFileDescriptor, events: Int16(POLLIN), revents: 0)
        return poll(&entry, 1, milliseconds) == 1
    }

    private func settled() throws -> EventLoop {
        let loop = try EventLoop()
        try loop.becomeGuest()
        loop.pump()
        while isReadable(loop, milliseconds: 0) { loop.pump() }
        return loop
    }

    /// libev replaces its epoll set when events come for a descriptor that it no longer watches.
    @Test func staysWatchedWhenTheEpollSetIsReplaced() throws {
        let loop = try settled()
        let outer = try EventLoop()
        let driver = IOWatcher(outer, fileDescriptor: loop.backendFileDescriptor, events: .read) { _ in loop.pump() }
        driver.start()
        outer.runNonBlocking()
        var forgotten: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &forgotten)
        let watcher = IOWatcher(loop, fileDescriptor: forgotten[0], events: .read) { _ in }
        watcher.start()
        loop.pump()
        // It is closed here, but a copy stays open, as in a forked process, so the kernel still reports its events.
        let copy = dup(forgotten[0])
        watcher.stop()
        close(forgotten[0])
        write(forgotten[1], "x", 1)
        for _ in 0..<5 { outer.runNonBlocking() }
        #expect(!isReadable(outer, milliseconds: 0), "the forgotten one keeps the loop awake")
        var calls = 0
        let timer = TimerWatcher(loop) { calls += 1 }
        timer.start(after: 0.02)
        while calls == 0 {
            let hears = isReadable(outer, milliseconds: 20_000)
            #expect(hears)
            guard hears else { break }
            outer.runNonBlocking()
        }
        driver.stop()
        close(copy)
        close(forgotten[1])
    }

    @Test func isReadableWhenATimerIsDue() throws {
        let loop = try settled()
        var calls = 0
        let timer = TimerWatcher(loop) { calls += 1 }
        timer.start(after: 0.02)
        while calls == 0 {
            #expect(isReadable(loop, milliseconds: 20_000))
            loop.pump()
        }
        #expect(!timer.isActive)
    }

    @Test func keepsARepeatingTimerGoing() throws {
        let loop = try settled()
        var calls = 0
        let timer = TimerWatcher(loop) { calls += 1 }
        timer.start(after: 0.005, every: 0.005)
        while calls < 5 {
            #expect(isReadable(loop, milliseconds: 20_000))
            loop.pump()
        }
        timer.stop()
        #expect(calls == 5)
    }

    @Test func seesBytesOnAWatcherStartedOutsideOfAPump() throws {
        let loop = try settled()
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        var calls = 0
        let watcher = IOWatcher(loop, fileDescriptor: ends[0], events: .read) { _ in
            var byte: UInt8 = 0
            _ = read(ends[0], &byte, 1)
            calls += 1
        }
        watcher.start()
        var byte: UInt8 = 1
        _ = write(ends[1], &byte, 1)
        while calls == 0 {
            #expect(isReadable(loop, milliseconds: 20_000))
            loop.pump()
        }
        close(ends[0])
        close(ends[1])
    }

    @Test func seesBytesOnAWatcherStartedInACallback() throws {
        let loop = try settled()
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        var calls = 0
        let watcher = IOWatcher(loop, fileDescriptor: ends[0], events: .read) { _ in calls += 1 }
        let timer = TimerWatcher(loop) { watcher.start() }
        timer.start(after: 0.001)
        while timer.isActive {
            #expect(isReadable(loop, milliseconds: 20_000))
            loop.pump()
        }
        var byte: UInt8 = 1
        _ = write(ends[1], &byte, 1)
        while calls == 0 {
            #expect(isReadable(loop, milliseconds: 20_000))
            loop.pump()
        }
        close(ends[0])
        close(ends[1])
    }

    @Test func isNotReadableWhenNothingIsToBeDone() throws {
        let loop = try settled()
        let timer = TimerWatcher(loop) {}
        timer.start(after: 3600)
        loop.pump()
        while isReadable(loop, milliseconds: 0) { loop.pump() }
        #expect(!isReadable(loop, milliseconds: 0))
    }
}

@Suite struct GuestExecutorTests {
    @Test func isReadableWhenAnotherThreadEnqueues() throws {
        let loop = try EventLoop()
        try loop.becomeGuest()
        let executor = LoopExecutor()
        executor.bind(to: loop)
        loop.pump()
        let done = Signal()
        startThread { executor.submit { done.signal() } }
        var entry = pollfd(fd: loop.backendFileDescriptor, events: Int16(POLLIN), revents: 0)
        #expect(poll(&entry, 1, 20_000) == 1)
        loop.pump()
        #expect(done.wait())
        executor.unbind()
    }
}

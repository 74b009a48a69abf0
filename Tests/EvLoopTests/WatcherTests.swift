import EvLoop
import Glibc
import Testing

@Suite struct WatcherTests {
    @Test func reportsReadableBytes() throws {
        let loop = try EventLoop()
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        var seen: IOEvents = []
        let watcher = IOWatcher(loop, fileDescriptor: ends[0], events: .read) { events in
            seen = events
            loop.stop()
        }
        watcher.start()
        var byte: UInt8 = 7
        #expect(write(ends[1], &byte, 1) == 1)
        loop.run()
        #expect(seen == .read)
        close(ends[0])
        close(ends[1])
    }

    @Test func staysSilentAfterStop() throws {
        let loop = try EventLoop()
        var ends: [Int32] = [0, 0]
        pipe(&ends)
        var calls = 0
        let watcher = IOWatcher(loop, fileDescriptor: ends[1], events: .write) { _ in calls += 1 }
        watcher.start()
        loop.runNonBlocking()
        #expect(calls == 1)
        watcher.stop()
        loop.runNonBlocking()
        #expect(calls == 1)
        close(ends[0])
        close(ends[1])
    }

    @Test func switchesTheEventsItWaitsFor() throws {
        let loop = try EventLoop()
        var ends: [Int32] = [0, 0]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        var seen: [IOEvents] = []
        let watcher = IOWatcher(loop, fileDescriptor: ends[0], events: .read) { seen.append($0) }
        watcher.start()
        loop.runNonBlocking()
        #expect(seen.isEmpty)
        watcher.setEvents([.read, .write])
        loop.runNonBlocking()
        #expect(seen == [.write])
        watcher.setEvents([])
        loop.runNonBlocking()
        #expect(seen == [.write])
        close(ends[0])
        close(ends[1])
    }

    @Test func firesARepeatingTimerUntilItIsStopped() throws {
        let loop = try EventLoop()
        var calls = 0
        var timer: TimerWatcher?
        timer = TimerWatcher(loop) {
            calls += 1
            if calls == 3 {
                timer?.stop()
                loop.stop()
            }
        }
        timer?.start(after: 0.001, every: 0.001)
        loop.run()
        #expect(calls == 3)
        #expect(timer?.isActive == false)
    }

    @Test func deliversASignalInTheLoop() throws {
        let loop = try EventLoop()
        var calls = 0
        let watcher = SignalWatcher(loop, signal: SIGURG) {
            calls += 1
            loop.stop()
        }
        watcher.start()
        kill(getpid(), SIGURG)
        loop.run()
        #expect(calls == 1)
        watcher.stop()
    }

    @Test func runsHooksBeforeThePoll() throws {
        let loop = try EventLoop()
        var order: [Int] = []
        loop.beforePoll { order.append(1) }
        loop.beforePoll { order.append(2) }
        loop.runNonBlocking()
        #expect(order == [1, 2])
    }
}

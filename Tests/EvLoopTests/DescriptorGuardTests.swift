import CEvLoop
import EvLoop
import Glibc
import Testing

@Suite struct DescriptorGuardTests {
    /// Two ends of a socket pair; the caller closes them.
    private func pair() -> (Int32, Int32) {
        var ends: [Int32] = [-1, -1]
        socketpair(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0, &ends)
        return (ends[0], ends[1])
    }

    @Test func tellsADescriptorThatHasBecomeSomethingElse() {
        let (one, two) = pair()
        defer {
            close(one)
            close(two)
        }
        var guarded = DescriptorGuard()
        guarded.remember(one, as: "the socket")
        #expect(guarded.lost == nil && guarded.isIntact(one))
        dup2(two, one)
        #expect(guarded.lost?.name == "the socket" && guarded.lost?.fileDescriptor == one && !guarded.isIntact(one))
        guarded.remember(one, as: "the new socket")
        #expect(guarded.lost == nil)
    }

    @Test func tellsAClosedDescriptorUnlessItIsForgotten() {
        // A number above those that other tests are handed meanwhile.
        let (one, two) = pair()
        let number = fcntl(one, F_DUPFD, 900)
        close(one)
        close(two)
        var guarded = DescriptorGuard()
        guarded.remember(number, as: "the socket")
        close(number)
        #expect(guarded.lost?.name == "the socket")
        guarded.forget(number)
        #expect(guarded.lost == nil)
    }

    @Test func loopTellsTheLossOfItsEpollSet() throws {
        let loop = try EventLoop()
        loop.runNonBlocking()
        #expect(loop.lostDescriptor == nil)
        let other = evg_epoll()
        let set = loop.backendFileDescriptor
        let kept = dup(set)
        dup2(other, set)
        #expect(loop.lostDescriptor != nil)
        dup2(kept, set)
        for number in [other, kept] { close(number) }
    }

    @Test func loopTellsTheLossOfItsWake() throws {
        let loop = try EventLoop()
        loop.runNonBlocking()
        let wake = loop.wakeFileDescriptor
        let kept = dup(wake)
        let (one, two) = pair()
        for stranger in [evg_eventfd(), one] {
            dup2(stranger, wake)
            // A client that has got the number: the loop itself enters it into its set.
            let watcher = IOWatcher(loop, fileDescriptor: wake, events: .read) { _ in }
            if stranger == one {
                watcher.start()
                loop.runNonBlocking()
            }
            #expect(loop.lostDescriptor != nil)
            watcher.stop()
            close(stranger)
        }
        dup2(kept, wake)
        close(kept)
        close(two)
    }

    @Test func guestTellsTheLossOfEachOfItsSets() throws {
        let loop = try EventLoop()
        let inner = loop.backendFileDescriptor
        try loop.becomeGuest()
        loop.pump()
        #expect(loop.lostDescriptor == nil)
        for set in [inner, loop.backendFileDescriptor] {
            let kept = dup(set)
            let other = evg_epoll()
            dup2(other, set)
            #expect(loop.lostDescriptor != nil)
            dup2(kept, set)
            for number in [other, kept] { close(number) }
        }
    }

    @Test func guestTellsThatNobodyWatchesItAnyMore() throws {
        let loop = try EventLoop()
        try loop.becomeGuest()
        loop.pump()
        let driver = evg_epoll()
        defer { close(driver) }
        var isChecked = false
        loop.onCheck = { isChecked = true }
        loop.checkGuest(drivenBy: driver)
        #expect(isChecked && loop.lostDescriptor == nil, "the driver has not begun")
        #expect(evg_epoll_add(driver, loop.backendFileDescriptor) == 0)
        loop.checkGuest(drivenBy: driver)
        #expect(loop.lostDescriptor == nil)
        evg_epoll_remove(driver, loop.backendFileDescriptor)
        loop.checkGuest(drivenBy: driver)
        #expect(loop.lostDescriptor != nil)
    }
}

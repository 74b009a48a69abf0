import CThreadPool
import EvTestSupport
import Glibc
import Synchronization
import Testing

/// A job that the test's own thread has taken.
private func begun(_ pool: Pool, _ body: (Job, UnsafeMutablePointer<evg_pool_thread>) throws -> Void) throws {
    let thread = try pool.thread()
    _ = try pool.queue(1)
    try body(#require(evg_pool_take(thread, nil, 0)), thread)
    evg_pool_thread_free(thread)
}

/// Ends the job and the pool.
private func end(_ job: Job, _ thread: UnsafeMutablePointer<evg_pool_thread>, _ pool: Pool) {
    _ = evg_pool_take(thread, job, done)
    _ = pool.news()
    pool.free()
}

@Suite struct NewsTests {
    @Test func loopIsWokenOnceUntilItHasLooked() throws {
        let pool = try Pool()
        try begun(pool) { job, thread in
            #expect(!evg_pool_has_news(pool.pool) && pool.wakes == 0)
            evg_job_post(job, 1, false)
            #expect(evg_pool_has_news(pool.pool) && pool.wakes == 1)
            evg_job_post(job, 2, false)
            #expect(pool.wakes == 1)
            #expect(pool.news() == [News(1, 3)])
            #expect(!evg_pool_has_news(pool.pool))
            evg_job_post(job, 1, false)
            #expect(pool.wakes == 2)
            end(job, thread, pool)
        }
    }

    @Test func newsOfShortJobsTravelTogetherWhileOthersAreQueued() throws {
        let pool = try Pool()
        let thread = try pool.thread()
        for number in 0..<40 { evg_job_submit(try pool.new(number)) }
        #expect(evg_pool_kick(pool.pool), "the loop looks for news by itself")
        var job = evg_pool_take(thread, nil, 0)
        for _ in 0..<15 { job = evg_pool_take(thread, job, done) }
        #expect(pool.wakes == 0)
        job = evg_pool_take(thread, job, done)
        #expect(pool.wakes == 1)
        #expect(pool.news().map(\.number) == Array(0..<16))
        while job != nil { job = evg_pool_take(thread, job, done) }
        #expect(pool.wakes > 1, "the last ones are not held back")
        #expect(pool.news().map(\.number) == Array(16..<40))
        evg_pool_thread_free(thread)
        pool.free()
    }

    @Test func bytesAreSentUpToTheMark() throws {
        let pool = try Pool(mark: 10)
        try begun(pool) { job, thread in
            #expect(job.send(Array(0..<7)) == (EVG_JOB_SENT, 7))
            #expect(job.send(Array(7..<20)) == (EVG_JOB_SENT, 3))
            #expect(job.send([10]).0 == EVG_JOB_FULL)
            // `last` (2) came with the first piece, which was sent whole, and not with the cut one.
            #expect(pool.news() == [News(1, 3, Array(0..<10))])
            #expect(job.send([10]) == (EVG_JOB_SENT, 1))
            #expect(pool.news() == [News(1, 3, [10])])
            end(job, thread, pool)
        }
    }

    @Test func bytesArePutBeforeTheFirstNews() throws {
        let pool = try Pool(mark: 10)
        try begun(pool) { job, thread in
            #expect(evg_job_put(job, Array(0..<20), 20))
            #expect(pool.wakes == 0)
            evg_job_post(job, 1, false)
            #expect(pool.news() == [News(1, 1, Array(0..<20))])
            end(job, thread, pool)
        }
    }

    @Test func fullJobIsSilentUntilItIsDrained() throws {
        let pool = try Pool(mark: 10)
        try begun(pool) { job, thread in
            #expect(job.send([1]) == (EVG_JOB_SENT, 1))
            #expect(evg_pool_next(pool.pool) == job)
            evg_job_full(job)
            #expect(job.send([2]).0 == EVG_JOB_FULL)
            evg_job_post(job, 8, false)
            #expect(pool.news() == [])
            evg_job_drained(job)
            #expect(pool.news() == [News(1, 8)])
            #expect(job.send([2]) == (EVG_JOB_SENT, 1))
            end(job, thread, pool)
        }
    }

    @Test func jobThatNobodyWantsTakesNoMoreBytesAndIsNeverFull() throws {
        let pool = try Pool(mark: 10)
        try begun(pool) { job, thread in
            #expect(job.send([1]) == (EVG_JOB_SENT, 1))
            #expect(evg_pool_next(pool.pool) == job)
            evg_job_full(job)
            evg_job_post(job, 8, false)
            #expect(!evg_job_left(job))
            #expect(pool.news() == [News(1, 8)], "what was held back")
            #expect(job.send([2]).0 == EVG_JOB_GONE)
            evg_job_await_room(job)  // returns
            end(job, thread, pool)
        }
    }

    @Test(arguments: ["taken", "drained", "left"]) func threadThatWaitsForRoomIsWoken(by event: String) throws {
        let pool = try Pool(mark: 2)
        let waits = Signal(), ended = Signal()
        startThread {
            guard let thread = evg_pool_thread_new(pool.pool) else { return }
            var job = evg_pool_take(thread, nil, 0)
            while job == nil, evg_pool_wait(thread) { job = evg_pool_take(thread, nil, 0) }
            guard let job else { return }
            _ = job.send([1, 2])
            waits.signal()
            evg_job_await_room(job)
            _ = evg_pool_take(thread, job, done)
            evg_pool_thread_free(thread)
            ended.signal()
        }
        _ = try pool.queue(1)
        waits.wait()
        let job = try #require(evg_pool_next(pool.pool))
        switch event {
        case "taken":
            evg_job_taken(job)
        case "drained":
            evg_job_full(job)
            evg_job_drained(job)
        default:
            evg_job_full(job)
            #expect(!evg_job_left(job))
        }
        #expect(ended.wait())
        #expect(pool.news() == [News(1, done)])
        pool.free()
    }
}

@Suite struct LoanTests {
    /// A thread of its own takes a job, may send a byte first, lends three bytes and gives the job back.
    private final class Lender: Sendable {
        let ended = Signal(), goesOn = Signal()
        private let used = Atomic(false)
        var wereUsed: Bool { used.load(ordering: .relaxed) }

        init(_ pool: Pool, sendsFirst: Bool = false) {
            startThread { [self] in
                guard let thread = evg_pool_thread_new(pool.pool) else { return }
                var job = evg_pool_take(thread, nil, 0)
                while job == nil, evg_pool_wait(thread) { job = evg_pool_take(thread, nil, 0) }
                guard let job else { return }
                let bytes: [UInt8] = [1, 2, 3]
                if sendsFirst {
                    _ = job.send([0])
                    goesOn.wait()
                }
                used.store(evg_job_lend(job, bytes, bytes.count, sendsFirst ? 0 : 1), ordering: .relaxed)
                _ = evg_pool_take(thread, job, done)
                evg_pool_thread_free(thread)
                ended.signal()
            }
        }
    }

    private func loan(of job: Job) -> [UInt8] {
        let lent = job.pointee.loop.lent
        return Array(UnsafeBufferPointer(start: lent.base, count: lent.count))
    }

    /// The next job with news, as soon as there is one.
    private func next(_ pool: Pool) throws -> Job {
        while !evg_pool_has_news(pool.pool) { #expect(pool.calls.wake.wait()) }
        return try #require(evg_pool_next(pool.pool))
    }

    @Test func bytesAreLentUntilAllAreUsed() throws {
        let pool = try Pool(mark: 2)
        let lender = Lender(pool)
        _ = try pool.queue(1)
        let job = try next(pool)
        #expect(job.pointee.loop.news == 1 && loan(of: job) == [1, 2, 3])
        evg_job_use(job, 1)
        evg_job_full(job)
        #expect(!evg_pool_has_news(pool.pool))
        evg_job_drained(job)
        #expect(evg_pool_next(pool.pool) == job && job.pointee.loop.news == 0 && loan(of: job) == [2, 3])
        evg_job_use(job, 2)
        evg_job_full(job)
        #expect(lender.ended.wait(), "nothing is left, although the client takes no more")
        #expect(lender.wereUsed)
        evg_job_drained(job)
        #expect(pool.news() == [News(1, done)])
        pool.free()
    }

    @Test func loanThatIsOfferedToAFullJobIsTakenWhenItIsDrained() throws {
        let pool = try Pool(mark: 10)
        let lender = Lender(pool, sendsFirst: true)
        _ = try pool.queue(1)
        let job = try next(pool)
        lender.goesOn.signal()
        while !evg_pool_has_news(pool.pool) { #expect(pool.calls.wake.wait()) }
        evg_job_full(job)
        #expect(evg_pool_next(pool.pool) == nil)
        evg_job_drained(job)
        try #require(evg_pool_next(pool.pool) == job)
        #expect(loan(of: job) == [1, 2, 3])
        evg_job_taken(job)
        #expect(lender.ended.wait() && lender.wereUsed)
        #expect(pool.news() == [News(1, done)])
        pool.free()
    }

    @Test(arguments: ["offered", "being sent", "full"]) func loanEndsWhenTheClientLeaves(_ state: String) throws {
        let pool = try Pool(mark: 2)
        let lender = Lender(pool)
        let job = try pool.queue(1)
        while !evg_pool_has_news(pool.pool) { #expect(pool.calls.wake.wait()) }
        if state != "offered" {
            #expect(evg_pool_next(pool.pool) == job)
            evg_job_use(job, 1)
        }
        if state == "full" { evg_job_full(job) }
        #expect(!evg_job_left(job))
        if state == "being sent" {
            #expect(loan(of: job) == [2, 3], "the loop still reads them")
            evg_job_taken(job)
        }
        #expect(lender.ended.wait())
        #expect(!lender.wereUsed)
        #expect(pool.news() == [News(1, state == "offered" ? 1 | done : done)])
        pool.free()
    }
}

@Suite struct InputTests {
    @Test func bytesAndLinesAreReadAsTheyCome() throws {
        let pool = try Pool(mark: 100)
        let job = try pool.new()
        #expect(job.read(5) == ("", EVG_JOB_NOTHING_YET))
        #expect(job.feed("one\ntwo"))
        #expect(job.read(100, line: true) == ("one\n", EVG_JOB_BYTES))
        #expect(job.read(2) == ("tw", EVG_JOB_BYTES))
        #expect(job.feed("\nthree"))
        #expect(job.read(100, line: true) == ("o\n", EVG_JOB_BYTES))
        evg_job_feed_end(job, false)
        #expect(job.read(100, line: true) == ("three", EVG_JOB_BYTES))
        #expect(job.read(1) == ("", EVG_JOB_ENDED))
        evg_job_end(job)
        pool.free()
    }

    @Test func inputThatBreaksOffIsNoEnd() throws {
        let pool = try Pool()
        let job = try pool.new()
        #expect(job.feed("a"))
        evg_job_feed_end(job, true)
        #expect(job.read(9) == ("a", EVG_JOB_BYTES))
        #expect(job.read(9) == ("", EVG_JOB_CUT))
        evg_job_end(job)
        let other = try pool.queue()
        let thread = try pool.thread()
        #expect(evg_pool_take(thread, nil, 0) == other)
        #expect(!evg_job_left(other))
        #expect(other.read(9) == ("", EVG_JOB_CUT))
        end(other, thread, pool)
        evg_pool_thread_free(thread)
    }

    @Test func moreIsAskedForWhenHalfOfItHasBeenRead() throws {
        let pool = try Pool(mark: 10)
        try begun(pool) { job, thread in
            #expect(job.feed("12345") && !job.feed("67890"))
            #expect(job.read(4).0 == "1234")
            #expect(pool.news() == [] && pool.wakes == 0)
            #expect(job.read(1).0 == "5")
            #expect(pool.wakes == 1)
            #expect(pool.news() == [News(1, UInt32(EVG_JOB_WANTS))])
            #expect(job.read(1).0 == "6")
            #expect(pool.news() == [], "it was asked for once")
            end(job, thread, pool)
        }
    }

    @Test func pausedInputIsAskedForWhenTheThreadWaitsForIt() throws {
        let pool = try Pool(mark: 10)
        let job = try pool.new(1)
        evg_job_pause(job)
        #expect(pool.wakes == 0)
        evg_job_retain(job)
        let ended = Signal()
        nonisolated(unsafe) let shared = job
        startThread {
            evg_job_await_input(shared)
            evg_job_release(shared)
            ended.signal()
        }
        #expect(pool.calls.wake.wait())
        #expect(pool.news() == [News(1, UInt32(EVG_JOB_WANTS))])
        evg_job_feed_end(job, false)
        #expect(ended.wait())
        evg_job_end(job)
        pool.free()
    }
}

@Suite struct LeavingTests {
    @Test(arguments: [true, false]) func waitEndsWhenTheJobIsGoneOrOver(leaves: Bool) throws {
        let pool = try Pool()
        try begun(pool) { job, thread in
            let ended = Signal(), gone = Signal()
            evg_job_retain(job)
            nonisolated(unsafe) let shared = job
            startThread {
                if evg_job_wait(shared, nil) { gone.signal() }
                evg_job_release(shared)
                ended.signal()
            }
            if leaves { #expect(!evg_job_left(job)) }
            _ = evg_pool_take(thread, job, done)
            #expect(ended.wait())
            if leaves { #expect(gone.wait()) }
            #expect(pool.news() == [News(1, done)])
            pool.free()
        }
    }

    @Test func waitEndsAtItsInstant() throws {
        let pool = try Pool()
        try begun(pool) { job, thread in
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            #expect(!evg_job_wait(job, &now))
            end(job, thread, pool)
        }
    }

    @Test func watchedJobThatIsGoneIsHandedOver() throws {
        let pool = try Pool()
        try begun(pool) { job, thread in
            #expect(!evg_job_watch(job))
            #expect(!evg_job_left(job))
            _ = evg_pool_take(thread, job, done)
            #expect(pool.news() == [News(1, done)])
            #expect(evg_pool_await_left(pool.pool) == job)
            try #expect(pool.new(2) != job, "it is held")
            evg_job_release(job)
            evg_pool_stop(pool.pool)
            #expect(evg_pool_await_left(pool.pool) == nil)
            pool.free()
        }
    }
}

import CThreadPool
import EvTestSupport
import Synchronization
import Testing

@Suite struct QueueTests {
    @Test func jobsAreTakenInOrderOnceTheyAreKicked() throws {
        let pool = try Pool()
        let thread = try pool.thread()
        for number in 1...3 { try #expect(!evg_job_submit(pool.new(number))) }
        #expect(pool.state.queued == 0)
        evg_pool_kick(pool.pool)
        #expect(pool.state.queued == 3)
        var taken: [Int] = []
        var job = evg_pool_take(thread, nil, 0)
        while let present = job {
            taken.append(present.number)
            #expect(pool.state.busy == 1)
            job = evg_pool_take(thread, present, done)
        }
        #expect(taken == [1, 2, 3] && pool.state.busy == 0 && pool.state.queued == 0 && pool.state.taken == 3)
        #expect(pool.news() == [News(1, done), News(2, done), News(3, done)])
        evg_pool_thread_free(thread)
        pool.free()
    }

    @Test func submitAsksForAKickWhenManyShortJobsHaveComeTogether() throws {
        let pool = try Pool()
        let jobs = try (1...64).map { try pool.new($0) }
        #expect(jobs.map { evg_job_submit($0) } == Array(repeating: false, count: 63) + [true])
        evg_pool_kick(pool.pool)
        for job in jobs { #expect(evg_job_left(job)) }
        pool.free()
    }

    @Test func jobThatNobodyWantsAnyMoreIsNotBegun() throws {
        let pool = try Pool()
        let thread = try pool.thread()
        let jobs = try (1...4).map { try pool.new($0) }
        for job in jobs.prefix(3) { evg_job_submit(job) }
        evg_pool_kick(pool.pool)
        evg_job_submit(jobs[3])
        #expect(evg_job_left(jobs[0]) && evg_job_left(jobs[2]) && evg_job_left(jobs[3]))
        evg_pool_kick(pool.pool)
        let job = try #require(evg_pool_take(thread, nil, 0))
        #expect(job.number == 2 && !evg_job_is_gone(job))
        #expect(!evg_job_left(job), "it was begun")
        #expect(evg_job_is_gone(job))
        #expect(evg_pool_take(thread, job, done) == nil)
        #expect(pool.news() == [News(2, done)])
        evg_pool_thread_free(thread)
        pool.free()
    }

    @Test func jobsAreUsedAgainAfterTheirLastReference() throws {
        let pool = try Pool()
        let job = try pool.new(1)
        evg_job_retain(job)
        evg_job_end(job)
        try #expect(pool.new(2) != job, "somebody holds it still")
        #expect(pool.calls.resets.load(ordering: .relaxed) == 0)
        evg_job_release(job)
        #expect(pool.calls.resets.load(ordering: .relaxed) == 1)
        let again = try pool.new(3)
        #expect(again == job)
        evg_job_end(again)
        pool.free()
        #expect(pool.calls.destroyed.load(ordering: .relaxed) == 1)
    }

    /// The first thread does not come back, as if its job were waiting for something.
    @Test func secondThreadIsWokenWhenTheFirstStaysAway() throws {
        let pool = try Pool(threads: 2)
        let away = try pool.thread()
        let came = Signal(), ended = Signal()
        startThread {
            guard let thread = evg_pool_thread_new(pool.pool) else { return }
            var job = evg_pool_take(thread, nil, 0)
            came.signal()
            while job == nil, evg_pool_wait(thread) { job = evg_pool_take(thread, nil, 0) }
            came.signal()
            _ = evg_pool_take(thread, job, done)
            evg_pool_thread_free(thread)
            ended.signal()
        }
        came.wait()
        #expect(evg_pool_take(away, nil, 0) == nil, "it is the idle thread that is warm")
        _ = try pool.queue(1)
        let held = try #require(evg_pool_take(away, nil, 0))
        evg_job_submit(try pool.new(2))
        // The loop comes back every millisecond for as long as it is asked to.
        while evg_pool_kick(pool.pool) {}
        came.wait()
        ended.wait()
        #expect(evg_pool_take(away, held, done) == nil)
        #expect(pool.news() == [News(2, done), News(1, done)])
        evg_pool_thread_free(away)
        pool.free()
    }

    @Test func stopEndsIdleThreadsAtOnceAndBusyOnesWhenTheyComeBack() throws {
        let pool = try Pool(threads: 3)
        let ended = Signal(), began = Signal(), goOn = Signal()
        for _ in 1...2 {
            startThread {
                guard let thread = evg_pool_thread_new(pool.pool) else { return }
                var job: Job?
                while true {
                    job = evg_pool_take(thread, job, done)
                    if job != nil {
                        began.signal()
                        goOn.wait()
                    } else if !evg_pool_wait(thread) {
                        break
                    }
                }
                evg_pool_thread_free(thread)
                ended.signal()
            }
        }
        _ = try pool.queue(1)
        began.wait()
        let waiting = try pool.new(2)
        evg_job_submit(waiting)
        evg_pool_stop(pool.pool)
        evg_pool_kick(pool.pool)
        #expect(ended.wait(), "the idle thread")
        #expect(pool.state.busy == 1 && pool.state.queued == 1)
        goOn.signal()
        #expect(ended.wait(), "the busy thread")
        #expect(pool.news() == [News(1, done)])
        #expect(evg_job_left(waiting), "it was never begun")
        evg_pool_free(pool.pool)
    }

    /// A loop that sleeps until it is woken, four threads, and jobs that come and are answered in pieces.
    @Test func everyJobIsAnsweredOnceByThreadsThatRace() throws {
        let pool = try Pool(threads: 4, mark: 64)
        let ended = Signal()
        for _ in 1...4 { startThread { echo(pool, ended) } }
        var (submitted, finished, received) = (0, 0, [Int: [UInt8]]())
        let count = 4000
        while finished < count {
            while submitted < count, submitted - finished < 50 {
                let job = try pool.new(submitted)
                #expect(evg_job_feed(job, Array("number \(submitted)".utf8), "number \(submitted)".utf8.count))
                evg_job_feed_end(job, false)
                if evg_job_submit(job) { evg_pool_kick(pool.pool) }
                submitted += 1
            }
            let comesBack = evg_pool_kick(pool.pool)
            if !evg_pool_has_news(pool.pool), !comesBack { pool.calls.wake.wait() }
            for news in pool.news() {
                received[news.number, default: []] += news.bytes
                if news.news & done != 0 { finished += 1 }
            }
        }
        for number in 0..<count {
            #expect(
                String(decoding: received[number] ?? [], as: UTF8.self)
                    == String(repeating: "number \(number)", count: 20))
        }
        evg_pool_stop(pool.pool)
        for _ in 1...4 { #expect(ended.wait()) }
        evg_pool_free(pool.pool)
    }
}

/// Answers each job with its input, twenty times over.
private func echo(_ pool: Pool, _ ended: Signal) {
    guard let thread = evg_pool_thread_new(pool.pool) else { return }
    var job = evg_pool_take(thread, nil, 0)
    while true {
        guard let present = job else {
            guard evg_pool_wait(thread) else { break }
            job = evg_pool_take(thread, nil, 0)
            continue
        }
        let text = Array(present.read(100).0.utf8)
        var bytes = Array((0..<20).map { _ in text }.joined())[...]
        while !bytes.isEmpty {
            let (sent, count) = present.send(Array(bytes))
            if sent == EVG_JOB_SENT { bytes = bytes.dropFirst(count) } else { evg_job_await_room(present) }
        }
        job = evg_pool_take(thread, present, done)
    }
    evg_pool_thread_free(thread)
    ended.signal()
}

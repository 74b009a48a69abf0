// A pool whose jobs are numbers. The test's own thread is the loop's; it may be a pool thread too, since nothing waits
// in evg_pool_take.

import CThreadPool
import EvTestSupport
import Synchronization
import Testing

typealias Job = UnsafeMutablePointer<evg_job>

/// What the owner of the pool adds to a job.
struct Numbered {
    var base: evg_job
    var number: Int
}

/// What the pool calls: counted, and reported to whoever waits.
final class Calls: Sendable {
    let wake = Signal()
    let wakes = Atomic(0)
    let resets = Atomic(0)
    let destroyed = Atomic(0)
}

/// Lives as long as the process, because the callbacks get no context that says which job's pool they are of.
nonisolated(unsafe) private var callsOfPool: [OpaquePointer: Calls] = [:]
private let callsLock = Mutex(())

private func calls(of job: Job?) -> Calls? {
    guard let pool = job?.pointee.pool else { return nil }
    return callsLock.withLock { _ in callsOfPool[pool] }
}

final class Pool: @unchecked Sendable {
    let pool: OpaquePointer
    let calls = Calls()

    init(threads: UInt32 = 1, mark: Int = 10) throws {
        var options = evg_pool_options()
        options.threads = threads
        options.mark = mark
        options.job_size = MemoryLayout<Numbered>.size
        options.context = Unmanaged.passUnretained(calls).toOpaque()
        options.wake = { context in
            guard let context else { return }
            let calls = Unmanaged<Calls>.fromOpaque(context).takeUnretainedValue()
            calls.wakes.add(1, ordering: .relaxed)
            calls.wake.signal()
        }
        options.reset = { job in
            CThreadPoolTests.calls(of: job)?.resets.add(1, ordering: .relaxed)
            return true
        }
        options.destroy = { job in CThreadPoolTests.calls(of: job)?.destroyed.add(1, ordering: .relaxed) }
        pool = try #require(evg_pool_new(&options))
        let (pool, calls) = (pool, calls)
        callsLock.withLock { _ in callsOfPool[pool] = calls }
    }

    /// To be called when no thread is left.
    func free() {
        evg_pool_stop(pool)
        evg_pool_free(pool)
        callsLock.withLock { _ in callsOfPool[pool] = nil }
    }

    var wakes: Int { calls.wakes.load(ordering: .relaxed) }
    var state: evg_pool_state { evg_pool_now(pool) }

    // MARK: the loop's side

    func new(_ number: Int = 0) throws -> Job {
        let job = try #require(evg_job_new(pool))
        UnsafeMutableRawPointer(job).assumingMemoryBound(to: Numbered.self).pointee.number = number
        return job
    }

    /// Makes and submits a job; kicks.
    func queue(_ number: Int = 0) throws -> Job {
        let job = try new(number)
        evg_job_submit(job)
        evg_pool_kick(pool)
        return job
    }

    /// All news there are: the job's number, the news, the bytes. Jobs are told that their bytes were taken; those
    /// whose news say so are ended.
    func news() -> [News] {
        var all: [News] = []
        while let job = evg_pool_next(pool) {
            let loop = job.pointee.loop
            all.append(
                News(job.number, loop.news, Array(UnsafeBufferPointer(start: loop.data.base, count: loop.data.count))))
            if loop.news & done != 0 { evg_job_end(job) } else { evg_job_taken(job) }
        }
        return all
    }

    // MARK: a thread's side

    func thread() throws -> UnsafeMutablePointer<evg_pool_thread> { try #require(evg_pool_thread_new(pool)) }
}

/// The job is given back.
let done: UInt32 = 1 << 15

struct News: Equatable {
    let number: Int
    let news: UInt32
    let bytes: [UInt8]

    init(_ number: Int, _ news: UInt32, _ bytes: [UInt8] = []) {
        (self.number, self.news, self.bytes) = (number, news, bytes)
    }
}

extension Job {
    var number: Int { UnsafeRawPointer(self).assumingMemoryBound(to: Numbered.self).pointee.number }

    /// Sends what there is room for; the count, or why not.
    func send(_ bytes: [UInt8], news: UInt32 = 1, last: UInt32 = 2) -> (evg_job_sent, Int) {
        var count = bytes.count
        let sent = evg_job_send(self, bytes, &count, news, last, 4)
        return (sent, count)
    }

    func feed(_ text: String) -> Bool { evg_job_feed(self, Array(text.utf8), text.utf8.count) }

    /// What a read takes, or why there is nothing.
    func read(_ limit: Int, line: Bool = false) -> (String, evg_job_input) {
        var input = EVG_JOB_BYTES
        let count = evg_job_peek(self, limit, line, &input)
        var bytes = [UInt8](repeating: 0, count: count)
        if count > 0 { evg_job_read(self, &bytes, count) }
        return (String(decoding: bytes, as: UTF8.self), input)
    }
}

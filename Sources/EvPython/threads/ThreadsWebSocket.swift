// WebSockets of threads: what a thread asks of its connection, and the messages that it is fed. Law: the loop answers
// and never waits; a thread whose client reads slowly is let go of when the client has taken enough.

import CPythonBridge
import CThreadPool
import EvLoop
import EvServer
import Glibc
import HTTPCore

extension ThreadsApplication {
    /// News of a request that is a WebSocket, or becomes one. A response of the app's own is dropped.
    func settleSocket(_ answer: evg_py_answer, _ exchange: Exchange) {
        let news = answer.news
        guard let job = answer.job else { return }
        if news & UInt32(EVG_JOB_WANTS) != 0 { feedMessages(job, exchange) }
        if news & EVG_PY_BROKE.rawValue != 0 { exchange.fail() }
        if news & EVG_PY_ASKS.rawValue != 0, !reply(to: job, exchange) {
            exchange.onDrained = { LoopActor.assumeIsolated { Self.letGo(job, exchange) } }
        } else if news & ~UInt32(EVG_JOB_WANTS) != 0 {
            evg_job_taken(job)
        }
    }

    private static func letGo(_ job: UnsafeMutablePointer<evg_job>, _ exchange: Exchange) {
        guard exchange.isDrained else { return }
        exchange.onDrained = nil
        evg_job_taken(job)
    }

    /// Returns false if the thread has to wait for its client.
    private func reply(to job: UnsafeMutablePointer<evg_job>, _ exchange: Exchange) -> Bool {
        guard let lent = job.pointee.loop.lent.base else { return true }
        let ask = UnsafeMutableRawPointer(mutating: lent).assumingMemoryBound(to: evg_socket_ask.self)
        evg_job_use(job, job.pointee.loop.lent.count)
        let text = ask.pointee.text
        var isFull = false
        switch ask.pointee.question {
        case EVG_ASKS_ACCEPT:
            ask.pointee.answer = accept(job, exchange, text)
        case EVG_ASKS_SEND_TEXT, EVG_ASKS_SEND_BYTES:
            let sent = exchange.webSocket?.send(
                isText: ask.pointee.question == EVG_ASKS_SEND_TEXT, UnsafeRawBufferPointer(text))
            isFull = sent == .full
            ask.pointee.answer = Int32((sent?.sent ?? EVG_SENT_GONE).rawValue)
        case EVG_ASKS_CLOSE:
            ask.pointee.answer = socketClose(exchange.unretainedForC, ask.pointee.code, text) ? 1 : 0
        default:
            ask.pointee.answer = take(ask, exchange)
        }
        ask.pointee.is_answered = true
        return !isFull
    }

    private func accept(_ job: UnsafeMutablePointer<evg_job>, _ exchange: Exchange, _ subprotocol: evg_py_text) -> Int32
    {
        var head = evg_response_head()
        let accepted = socketAccept(exchange.unretainedForC, &head, subprotocol)
        guard accepted == EVG_ACCEPTED else { return Int32(accepted.rawValue) }
        sockets += 1
        exchange.onBody = { [self] in LoopActor.assumeIsolated { feedMessages(job, exchange) } }
        feedMessages(job, exchange)
        return Int32(accepted.rawValue)
    }

    private func take(_ ask: UnsafeMutablePointer<evg_socket_ask>, _ exchange: Exchange) -> Int32 {
        guard let taken = exchange.takeConnection() else { return -1 }
        sockets += 1
        if !taken.leftOver.isEmpty, let copy = malloc(taken.leftOver.count) {
            taken.leftOver.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { copy.copyMemory(from: base, byteCount: bytes.count) }
            }
            ask.pointee.left_over = copy.assumingMemoryBound(to: UInt8.self)
            ask.pointee.left_over_count = taken.leftOver.count
        }
        return taken.descriptor
    }

    /// Hands over what has come, as far as the thread has room: what is left keeps the client back.
    private func feedMessages(_ job: UnsafeMutablePointer<evg_job>, _ exchange: Exchange) {
        guard exchange.onBody != nil, let socket = exchange.webSocket else { return }
        while true {
            switch socket.next() {
            case .message(let message):
                let hasRoom = message.bytes.withUnsafeBytes {
                    evg_py_job_feed_message(job, message.isText, evg_py_text($0))
                }
                // What came before the end is not many, and nobody would ask for it.
                guard hasRoom || exchange.isGone else { return }
            case .closed:
                exchange.onBody = nil
                return evg_job_feed_end(job, false)
            case .wait:
                return
            }
        }
    }
}

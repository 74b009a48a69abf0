// How the admin process answers. Law: nobody stores an answer, and nothing is taken for markup that is none.

import EvServer
import HTTPCore

extension Exchange {
    typealias Fields = KeyValuePairs<StaticString, StaticString>

    /// Sends a whole answer, and ends the request.
    func answer(_ body: [UInt8], type: StaticString, status: Int = 200, more: Fields = [:]) {
        if writeHead(status, type, more) {
            body.withUnsafeBytes { respond(responseHead.pointee, body: $0) }
        }
        taskEnded()
    }

    /// Answers with a sentence, and ends the request.
    func answer(
        _ status: Int, _ sentence: String, type: StaticString = "text/plain; charset=utf-8", more: Fields = [:]
    ) {
        answer(Array((sentence + "\n").utf8), type: type, status: status, more: more)
    }

    /// Begins an answer of which the parts follow. Returns false if the client has left.
    func beginAnswer(type: StaticString, more: Fields = [:]) -> Bool {
        writeHead(200, type, more) && begin(responseHead.pointee) != .gone
    }

    /// Returns false if the request has failed.
    private func writeHead(_ status: Int, _ type: StaticString, _ more: Fields) -> Bool {
        let head = responseHead
        do throws(ResponseHeadError) {
            try head.pointee.begin(status: status)
            try head.pointee.append("Content-Type", type)
            try head.pointee.append("X-Content-Type-Options", "nosniff")
            try head.pointee.append("Cache-Control", "no-store")
            for (name, value) in more { try head.pointee.append(name, value) }
            return true
        } catch {
            fail()
            return false
        }
    }
}

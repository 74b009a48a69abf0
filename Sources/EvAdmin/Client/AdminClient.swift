// Asks a running server: one question, one connection. The calls here block; what may not block drives ``ClientCall``.

import EvLoop
import Glibc
package import JSONText

package struct AdminClient: Sendable {
    package let address: ClientAddress
    private let token: String?
    private let version: String

    package init(_ address: ClientAddress, token: String?, version: String) {
        self.address = address
        self.token = token
        self.version = version
    }

    /// The token as a field can carry it (RFC 6750 section 2.1 and what people write).
    package static func isToken(_ text: String) -> Bool {
        !text.isEmpty && text.utf8.allSatisfy { (0x21..<0x7f).contains($0) }
    }

    func request(_ method: String, _ target: String) -> [UInt8] {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: \(address.host)\r\nConnection: close\r\n"
        head += "User-Agent: evgateway/\(version)\r\nAccept: application/json\r\n"
        if let token { head += "Authorization: Bearer \(token)\r\n" }
        if method == "POST" { head += "Content-Length: 0\r\n" }
        return Array((head + "\r\n").utf8)
    }

    // MARK: reading

    /// The whole body of an answer of status 200.
    package func get(_ target: String) throws(ClientError) -> [UInt8] {
        let call = try ClientCall(address, request("GET", target))
        while !call.isFinished { try Self.wait(call) }
        return try body(of: call, target)
    }

    /// The body of a finished call.
    func body(of call: ClientCall, _ target: String) throws(ClientError) -> [UInt8] {
        let body = call.takeBody()
        guard call.reader.status == 200 else { throw refusal(call.reader, body, target) }
        return body
    }

    /// The JSON in an answer.
    func json(_ body: [UInt8]) throws(ClientError) -> JSONValue {
        guard let value = JSONValue(body) else {
            throw ClientError(
                .failed, "the server at \(address.text) does not answer in JSON: is it one of evgateway's?")
        }
        return value
    }

    package func json(at target: String) throws(ClientError) -> JSONValue { try json(try get(target)) }

    private static func wait(_ call: ClientCall) throws(ClientError) {
        var entry = pollfd(fd: call.descriptor, events: call.events, revents: 0)
        let seconds = call.wakeUp - EventLoop.monotonicNow()
        let milliseconds = seconds.isFinite ? Int32(min(60_000, max(0, seconds * 1000)).rounded(.up)) : -1
        poll(&entry, entry.events == 0 ? 0 : 1, milliseconds)
        try call.advance()
    }

    // MARK: commands

    /// One step of a command, or its end.
    package struct Step: Equatable {
        /// Printable lines.
        package let lines: [String]
        /// Nil while the command goes on.
        package let succeeded: Bool?
    }

    /// No line of progress is longer.
    private static let longestLine = 16 << 20

    /// Gives a command, and hands each line of its progress on when it comes.
    ///
    /// - Returns: whether the command has succeeded.
    package func post(_ target: String, _ step: (Step) -> Void) throws(ClientError) -> Bool {
        var limits = ClientCall.Limits()
        limits.answer = nil
        let call = try ClientCall(address, request("POST", target), limits)
        var pending: [UInt8] = []
        var last: Step?
        var failure: ClientError?
        while !call.isFinished {
            do throws(ClientError) { try Self.wait(call) } catch { failure = error }
            guard call.reader.hasHead, call.reader.status == 200 else { continue }
            pending.append(contentsOf: call.takeBody())
            while let end = pending.firstIndex(of: 0x0a) {
                let found = try self.step(Array(pending[..<end]))
                pending.removeFirst(end + 1)
                last = found
                step(found)
            }
            guard pending.count <= Self.longestLine else {
                throw ClientError(.failed, "the server at \(address.text) answers with more than can be read")
            }
        }
        // A server that ends may not come to the end of its answer; its last word is what counts.
        if let failure, last?.succeeded == nil { throw failure }
        if call.reader.status != 200 { throw refusal(call.reader, call.takeBody(), target) }
        guard let succeeded = last?.succeeded else {
            throw ClientError(.failed, "the server at \(address.text) has not told how the command ended")
        }
        return succeeded
    }

    private func step(_ line: [UInt8]) throws(ClientError) -> Step {
        let value = try json(line)
        let isLast = value["done"].boolean == true
        return Step(
            lines: value["text"].text.map(Printable.lines) ?? [],
            succeeded: isLast ? value["succeeded"].boolean == true : nil)
    }

    // MARK: refusals

    private func refusal(_ reader: AnswerReader, _ body: [UInt8], _ target: String) -> ClientError {
        let advice: String
        switch reader.status {
        case 401: advice = token == nil ? "; give its token with --admin-token" : "; is the token the server's?"
        case 403: advice = "; it does not let this be done from here"
        case 404: advice = "; it knows no \(target.prefix { $0 != "?" }): is it an older version?"
        default: advice = ""
        }
        let reason = reader.reason.isEmpty ? "" : " " + Printable.text(reader.reason)
        var text = "the server at \(address.text) answers \(reader.status)\(reason)\(advice)"
        for line in Printable.lines(Self.sentence(reader, body)).prefix(20) where !line.isEmpty {
            text += "\n  \(line)"
        }
        return ClientError(.failed, text)
    }

    /// What the server says itself.
    private static func sentence(_ reader: AnswerReader, _ body: [UInt8]) -> String {
        if reader.isJSON, let value = JSONValue(body), let text = value["text"].text ?? value["error"].text {
            return text
        }
        return String(decoding: body.prefix(2000), as: UTF8.self)
    }
}

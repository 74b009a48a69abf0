// What is published on a channel: the same content in up to three formats, of which a subscriber takes the one that it
// waits for. Law: a value, as Pushpin's item in JSON.

package import JSONText

package enum Action: String, Sendable, Equatable {
    case send
    /// Something has changed: whoever waits asks the app anew.
    case hint
    /// A subscriber asks the app what it is to be told.
    case refresh
    case close
}

/// The answer to a long poll.
package struct ResponseFormat: Equatable, Sendable {
    package enum Body: Equatable, Sendable {
        case bytes([UInt8])
        /// Operations on the body that the app has answered (RFC 6902).
        case patch([JSONValue])
    }

    package var action = Action.send
    package var code = 200
    /// Empty for the registered phrase of the code.
    package var reason: [UInt8] = []
    package var fields: [Field] = []
    package var body = Body.bytes([])
    /// The filters that the content is made for; nil for whichever.
    package var contentFilters: [[UInt8]]?

    package init() {}
}

/// A part of a stream.
package struct StreamFormat: Equatable, Sendable {
    package var action = Action.send
    package var content: [UInt8] = []
    package var contentFilters: [[UInt8]]?

    package init() {}
}

/// A message for WebSockets.
package struct SocketFormat: Equatable, Sendable {
    package enum Kind: String, Sendable, Equatable {
        case text, binary, ping, pong
    }

    package var action = Action.send
    package var kind = Kind.text
    package var content: [UInt8] = []
    /// Of a close; nil for none.
    package var code: Int?
    package var reason: [UInt8] = []
    package var contentFilters: [[UInt8]]?

    package init() {}
}

package struct Item: Equatable, Sendable {
    package var channel: [UInt8]
    package var id: [UInt8]?
    /// The id of the message on the channel before this one.
    package var previousID: [UInt8]?
    package var response: ResponseFormat?
    package var stream: StreamFormat?
    package var socket: SocketFormat?
    package var meta: Meta = []
    /// Bytes, as the publisher counts them.
    package var size: Int?
    /// It waits for no message before it.
    package var isUnordered = false

    package init(channel: [UInt8]) { self.channel = channel }

    /// The same content in every format.
    ///
    /// - Parameter isText: it is UTF-8, and sent to WebSockets as a text.
    package init(channel: [UInt8], content: [UInt8], isText: Bool) throws(GRIPError) {
        self.channel = try checkedName(channel, of: "the channel")
        set(content, isText: isText)
    }

    mutating func set(_ content: [UInt8], isText: Bool) {
        var (response, stream, socket) = (ResponseFormat(), StreamFormat(), SocketFormat())
        response.body = .bytes(content)
        stream.content = content
        socket.content = content
        socket.kind = isText && isUTF8(content) ? .text : .binary
        (self.response, self.stream, self.socket) = (response, stream, socket)
    }

    /// The content, if it is the same in every format and nothing else is said.
    var contentOfAll: (bytes: [UInt8], isText: Bool)? {
        guard let response, let stream, let socket, case .bytes(let content) = response.body else { return nil }
        var same = Item(channel: channel)
        same.set(content, isText: socket.kind == .text)
        guard same.response == response, same.stream == stream, same.socket == socket else { return nil }
        return (content, socket.kind == .text)
    }

    /// Sets the ids, and what filters are told.
    package mutating func describe(id: [UInt8]?, previousID: [UInt8]?, meta: Meta) throws(GRIPError) {
        if let id { self.id = try checkedText(id, "the id", Limits.name) }
        if let previousID { self.previousID = try checkedText(previousID, "the prev-id", Limits.name) }
        for entry in meta { try self.meta.set(entry) }
    }
}

extension ResponseFormat {
    /// The fields of the answer to a long poll: those that the app has answered with, but for names that the message
    /// has too, and then the message's own. GRIP's fields are for this server alone.
    ///
    /// - Parameter inherited: of the app's answer, as clients may see them.
    package func fields(over inherited: [Field]) -> [Field] {
        var exposed: [[UInt8]] = []
        for field in fields where equalIgnoringCase(field.name, Array("Grip-Expose-Headers".utf8)) {
            exposed += Parameters.members(of: field.value[...]).map(Array.init)
        }
        let own = fields.filter { !startsIgnoringCase($0.name, with: "Grip-") }
        let kept = inherited.filter { field in !own.contains { equalIgnoringCase($0.name, field.name) } }
        return (kept + own).filter { field in
            exposed.isEmpty || exposed.contains { equalIgnoringCase($0, field.name) }
        }
    }

    /// The body of the answer.
    ///
    /// - Parameter original: the body that the app has answered.
    /// - Throws: if the operations cannot be applied to it.
    package func body(over original: [UInt8]) throws(GRIPError) -> [UInt8] {
        switch body {
        case .bytes(let bytes): bytes
        case .patch(let operations): try JSONPatch.apply(operations, toText: original)
        }
    }
}

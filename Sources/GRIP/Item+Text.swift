// An item as compact JSON, which is what goes from process to process. Law: reading it gives the same item.

import JSONText

extension Item {
    /// What goes over the bus: the name of its channel there, and the item.
    package func packed() throws(GRIPError) -> (channel: [UInt8], payload: [UInt8]) {
        let payload = json
        guard payload.count <= Limits.message else {
            throw GRIPError("a message of more than \(Limits.message) bytes on channel '\(shown(channel))'")
        }
        return (Self.busChannel(channel), payload)
    }

    /// The first byte tells channels of GRIP from those of others.
    package static func busChannel(_ name: [UInt8]) -> [UInt8] { [UInt8(ascii: "g")] + name }

    package var json: [UInt8] {
        var text: [UInt8] = []
        let contents = (stream?.content.count ?? 0) + (socket?.content.count ?? 0)
        text.reserveCapacity(256 + channel.count + contents)
        text.append(UInt8(ascii: "{"))
        text.member("channel", channel)
        if let id { text.member("id", id) }
        if let previousID { text.member("prev-id", previousID) }
        text.member("formats", open: "{")
        if let content = contentOfAll {
            // Most items: a third of the bytes, for every process that reads them.
            text.member("any", open: "{")
            text.content("content", binary: "content-bin", content.bytes, isText: content.isText)
            text.append(UInt8(ascii: "}"))
        } else {
            if let response { text.append(response) }
            if let stream { text.append(stream) }
            if let socket { text.append(socket) }
        }
        // An object without formats is refused: one of another server's may be all that there was.
        if response == nil, stream == nil, socket == nil { text.member("none", open: "{}") }
        text.append(UInt8(ascii: "}"))
        text.fields("meta", meta.isEmpty ? nil : meta)
        if let size { text.member("size", size) }
        if isUnordered { text.member("no-seq", open: "true") }
        text.append(UInt8(ascii: "}"))
        return text
    }
}

extension [UInt8] {
    /// Begins a member with a text of the program's own, behind a comma where one stands before it.
    fileprivate mutating func member(_ name: StaticString, open: StaticString) {
        if let last, last != UInt8(ascii: "{") { append(UInt8(ascii: ",")) }
        append(UInt8(ascii: "\""))
        name.withUTF8Buffer { append(contentsOf: $0) }
        append(contentsOf: "\":".utf8)
        open.withUTF8Buffer { append(contentsOf: $0) }
    }

    fileprivate mutating func member(_ name: StaticString, _ text: [UInt8]) {
        member(name, open: "")
        JSONValue.quote(text, into: &self)
    }

    fileprivate mutating func member(_ name: StaticString, _ number: Int) {
        member(name, open: "")
        append(contentsOf: String(number).utf8)
    }

    /// A text as it is, other bytes in base64 under another name.
    fileprivate mutating func content(_ name: StaticString, binary: StaticString, _ bytes: [UInt8], isText: Bool? = nil)
    {
        if isText ?? isUTF8(bytes) { return member(name, bytes) }
        member(binary, open: "\"")
        append(contentsOf: Base64.encoded(bytes))
        append(UInt8(ascii: "\""))
    }

    fileprivate mutating func fields(_ name: StaticString, _ fields: [Field]?) {
        guard let fields else { return }
        member(name, open: "{")
        for field in fields {
            if last != UInt8(ascii: "{") { append(UInt8(ascii: ",")) }
            JSONValue.quote(field.name, into: &self)
            append(UInt8(ascii: ":"))
            JSONValue.quote(field.value, into: &self)
        }
        append(UInt8(ascii: "}"))
    }

    fileprivate mutating func common(_ action: Action, _ filters: [[UInt8]]?) {
        if action != .send { member("action", Array(action.rawValue.utf8)) }
        guard let filters else { return }
        member("content-filters", open: "[")
        for (index, filter) in filters.enumerated() {
            if index > 0 { append(UInt8(ascii: ",")) }
            JSONValue.quote(filter, into: &self)
        }
        append(UInt8(ascii: "]"))
    }

    fileprivate mutating func append(_ format: ResponseFormat) {
        member("http-response", open: "{")
        common(format.action, format.contentFilters)
        if format.action == .send {
            if format.code != 200 { member("code", format.code) }
            if !format.reason.isEmpty { member("reason", format.reason) }
            if !format.fields.isEmpty {
                member("headers", open: "[")
                for (index, field) in format.fields.enumerated() {
                    append(UInt8(ascii: index == 0 ? "[" : ","))
                    if index > 0 { append(UInt8(ascii: "[")) }
                    JSONValue.quote(field.name, into: &self)
                    append(UInt8(ascii: ","))
                    JSONValue.quote(field.value, into: &self)
                    append(UInt8(ascii: "]"))
                }
                append(UInt8(ascii: "]"))
            }
            switch format.body {
            case .bytes(let bytes): content("body", binary: "body-bin", bytes)
            case .patch(let operations):
                member("body-patch", open: "")
                JSONValue.array(operations).write(into: &self)
            }
        }
        append(UInt8(ascii: "}"))
    }

    fileprivate mutating func append(_ format: StreamFormat) {
        member("http-stream", open: "{")
        common(format.action, format.contentFilters)
        if format.action == .send { content("content", binary: "content-bin", format.content) }
        append(UInt8(ascii: "}"))
    }

    fileprivate mutating func append(_ format: SocketFormat) {
        member("ws-message", open: "{")
        common(format.action, format.contentFilters)
        switch format.action {
        case .send:
            let isText = format.kind == .text ? true : format.kind == .binary ? false : nil
            if isText == nil { member("type", Array(format.kind.rawValue.utf8)) }
            content("content", binary: "content-bin", format.content, isText: isText)
        case .close:
            if let code = format.code { member("code", code) }
            if !format.reason.isEmpty { member("reason", format.reason) }
        case .hint, .refresh: break
        }
        append(UInt8(ascii: "}"))
    }
}

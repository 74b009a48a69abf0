// Reading items in JSON. Errors are those of Pushpin, for publishers that have been written against it.

import JSONText

extension Item {
    /// The items of a document `{"items": [...]}`.
    package static func list(_ document: [UInt8]) throws(GRIPError) -> [Item] {
        guard let value = JSONValue(document) else { throw GRIPError("Body is not valid JSON.") }
        guard value.isObject else { throw GRIPError("Invalid format.") }
        guard let items = value.member("items") else {
            throw GRIPError("Invalid format: object does not contain 'items'")
        }
        guard case .array(let values) = items else {
            throw GRIPError("Invalid format: object contains 'items' with wrong type")
        }
        guard values.count <= Limits.items else {
            throw GRIPError("Invalid format: more than \(Limits.items) items")
        }
        var list: [Item] = []
        list.reserveCapacity(values.count)
        for value in values {
            do throws(GRIPError) {
                list.append(try Item(value))
            } catch {
                throw GRIPError("Invalid format: \(error.text)")
            }
        }
        return list
    }

    /// An item of its formats alone, in JSON.
    package init(channel: [UInt8], formats: [UInt8]) throws(GRIPError) {
        self.channel = try checkedName(channel, of: "the channel")
        guard let value = JSONValue(formats), value.isObject else { throw GRIPError("formats are to be an object") }
        try readFormats(value, legacy: .null)
    }

    package init(json: [UInt8]) throws(GRIPError) {
        guard let value = JSONValue(json) else { throw GRIPError("an item that is not JSON") }
        try self.init(value)
    }

    init(_ value: JSONValue) throws(GRIPError) {
        let what = "publish item object"
        guard value.isObject else { throw GRIPError("\(what) is not an object") }
        channel = try checkedName(value.requiredText("channel", in: what), of: "\(what): 'channel'")
        if let id = try value.optionalText("id", in: what) { self.id = try checkedText(id, "'id'", Limits.name) }
        if let id = try value.optionalText("prev-id", in: what) {
            previousID = try checkedText(id, "'prev-id'", Limits.name)
        }
        try readFormats(try value.optionalObject("formats", in: what), legacy: value)
        meta = try value.optionalMeta(in: what)
        size = try value.optionalInteger("size", in: what, 0...Int(Int32.max))
        if let said = value.member("no-seq") {
            guard let flag = said.boolean else { throw GRIPError("\(what) contains 'no-seq' with wrong type") }
            isUnordered = flag
        }
    }

    /// The formats stand in an object of their own, or beside the channel. In the object, `any` is this server's own:
    /// one content for all formats.
    private mutating func readFormats(_ own: JSONValue?, legacy: JSONValue) throws(GRIPError) {
        let names = ["http-response", "http-stream", "ws-message"]
        if case .object(let members)? = own {
            guard !members.isEmpty else { throw GRIPError("no formats specified") }
        } else {
            // A null beside the channel is no format; in the object it is one of a wrong type.
            guard names.contains(where: { legacy[$0] != .null }) else { throw GRIPError("no formats specified") }
        }
        func format(_ name: String) -> JSONValue? {
            guard let own else { return legacy[name] == .null ? nil : legacy[name] }
            return own.member(name)
        }
        if let all = own?.member("any") {
            guard all.isObject else { throw GRIPError("'any' is not an object") }
            guard let content = try all.optionalContent("content", in: "'any'") else {
                throw GRIPError("'any' does not contain 'content' or 'content-bin'")
            }
            set(content.bytes, isText: !content.isBinary)
        }
        response = try format(names[0]).map { (value) throws(GRIPError) in try ResponseFormat(value) } ?? response
        stream = try format(names[1]).map { (value) throws(GRIPError) in try StreamFormat(value) } ?? stream
        socket = try format(names[2]).map { (value) throws(GRIPError) in try SocketFormat(value) } ?? socket
    }
}

/// What the formats have in common.
extension JSONValue {
    fileprivate func action(in what: String) throws(GRIPError) -> Action {
        guard isObject else { throw GRIPError("\(what) is not an object") }
        guard let text = try optionalText("action", in: what) else { return .send }
        guard let action = Action(rawValue: String(decoding: text, as: UTF8.self)) else {
            throw GRIPError("\(what) contains 'action' with unknown value")
        }
        return action
    }

    fileprivate func contentFilters(in what: String) throws(GRIPError) -> [[UInt8]]? {
        guard let value = member("content-filters") else { return nil }
        guard case .array(let values) = value else {
            throw GRIPError("\(what) contains 'content-filters' with wrong type")
        }
        var names: [[UInt8]] = []
        for value in values {
            guard let name = value.utf8 else { throw GRIPError("content-filters contains element with wrong type") }
            names.append(name)
        }
        guard names.count <= Limits.filters else { throw GRIPError("\(what) has too many 'content-filters'") }
        return names
    }
}

extension ResponseFormat {
    fileprivate init(_ value: JSONValue) throws(GRIPError) {
        let what = "'http-response'"
        action = try value.action(in: what)
        guard action == .send else { return }
        code = try value.optionalInteger("code", in: what, 200...999) ?? 200
        reason = try value.reason(in: what)
        fields = try value.optionalFields("headers", in: what)
        contentFilters = try value.contentFilters(in: what)
        if let content = try value.optionalContent("body", in: what) {
            body = .bytes(content.bytes)
        } else if value.member("body-patch") != nil {
            body = .patch(try value.optionalList("body-patch", in: what) ?? [])
        } else {
            throw GRIPError("\(what) does not contain 'body', 'body-bin', or 'body-patch'")
        }
    }
}

extension StreamFormat {
    fileprivate init(_ value: JSONValue) throws(GRIPError) {
        let what = "'http-stream'"
        action = try value.action(in: what)
        guard action == .send else { return }
        contentFilters = try value.contentFilters(in: what)
        guard let content = try value.optionalContent("content", in: what) else {
            throw GRIPError("\(what) does not contain 'content' or 'content-bin'")
        }
        self.content = content.bytes
    }
}

extension SocketFormat {
    fileprivate init(_ value: JSONValue) throws(GRIPError) {
        let what = "'ws-message'"
        action = try value.action(in: what)
        switch action {
        case .send:
            var named: Kind?
            if let text = try value.optionalText("type", in: what) {
                named = Kind(rawValue: String(decoding: text, as: UTF8.self))
                guard named != nil else { throw GRIPError("\(what) contains 'type' with unknown value") }
            }
            contentFilters = try value.contentFilters(in: what)
            if let content = try value.optionalContent("content", in: what) {
                self.content = content.bytes
                kind = named ?? (content.isBinary ? .binary : .text)
            } else if let named, named == .ping || named == .pong {
                kind = named
            } else {
                throw GRIPError("\(what) does not contain 'content' or 'content-bin'")
            }
            guard kind != .text || isUTF8(self.content) else { throw GRIPError("\(what) is a text that is not UTF-8") }
            guard kind == .text || kind == .binary || self.content.count <= 125 else {
                throw GRIPError("\(what) is a \(kind.rawValue) of more than 125 bytes")
            }
        case .close:
            code = try value.optionalInteger("code", in: what, 1000...4999)
            reason = try value.reason(in: what)
            guard reason.count <= 123 else { throw GRIPError("\(what) contains 'reason' with invalid value") }
        case .hint, .refresh: break
        }
    }
}

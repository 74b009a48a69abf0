// The members of objects in JSON that a program of other people has written, as Pushpin reads them: a null is the same
// as nothing, and errors say where something is wrong.

import JSONText

extension JSONValue {
    var isObject: Bool { if case .object = self { true } else { false } }
    var utf8: [UInt8]? { text.map { Array($0.utf8) } }

    /// Nil if there is no such member.
    func member(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    /// A text; nil if there is none, or null.
    func optionalText(_ name: String, in what: String) throws(GRIPError) -> [UInt8]? {
        guard let value = member(name), value != .null else { return nil }
        guard let text = value.utf8 else { throw GRIPError("\(what) contains '\(name)' with wrong type") }
        return text
    }

    func requiredText(_ name: String, in what: String) throws(GRIPError) -> [UInt8] {
        guard let value = member(name) else { throw GRIPError("\(what) does not contain '\(name)'") }
        guard let text = value.utf8 else { throw GRIPError("\(what) contains '\(name)' with wrong type") }
        return text
    }

    /// An object; nil if there is none, or null.
    func optionalObject(_ name: String, in what: String) throws(GRIPError) -> JSONValue? {
        guard let value = member(name), value != .null else { return nil }
        guard value.isObject else { throw GRIPError("\(what) contains '\(name)' with wrong type") }
        return value
    }

    /// A list; nil if there is none, or null.
    func optionalList(_ name: String, in what: String) throws(GRIPError) -> [JSONValue]? {
        guard let value = member(name), value != .null else { return nil }
        guard case .array(let values) = value else { throw GRIPError("\(what) contains '\(name)' with wrong type") }
        return values
    }

    /// A number without fraction, or a text that is one; nil if there is none.
    func optionalInteger(_ name: String, in what: String, _ range: ClosedRange<Int>) throws(GRIPError) -> Int? {
        guard let value = member(name) else { return nil }
        guard let number = value.integer ?? value.utf8.flatMap(GRIP.integer) else {
            throw GRIPError("\(what) contains '\(name)' with wrong type")
        }
        guard range.contains(number) else { throw GRIPError("\(what) contains '\(name)' with invalid value") }
        return number
    }

    /// Bytes: base64 under `name` and "-bin", else a text under `name`; nil if there is neither.
    func optionalContent(_ name: String, in what: String) throws(GRIPError) -> (bytes: [UInt8], isBinary: Bool)? {
        if member(name + "-bin") != nil {
            return (Base64.lenientlyDecoded(try optionalText(name + "-bin", in: what) ?? []), true)
        }
        guard let value = member(name) else { return nil }
        guard let text = value.utf8 else { throw GRIPError("\(what) contains '\(name)' with wrong type") }
        return (text, false)
    }

    /// Fields: an object of texts, whose order is that of their names, or a list of pairs.
    func optionalFields(_ name: String, in what: String) throws(GRIPError) -> [Field] {
        guard let value = member(name) else { return [] }
        var fields: [Field] = []
        switch value {
        case .array(let pairs):
            for pair in pairs {
                guard case .array(let both) = pair else {
                    throw GRIPError("\(name) contains element with wrong type")
                }
                guard both.count == 2 else { throw GRIPError("\(name) contains list with wrong number of elements") }
                guard let key = both[0].utf8 else { throw GRIPError("header contains name element with wrong type") }
                guard let text = both[1].utf8 else { throw GRIPError("header contains value element with wrong type") }
                fields.append(Field(name: key, value: text))
            }
        case .object(let members):
            for (key, value) in members.sorted(by: { $0.key < $1.key }) {
                guard let text = value.utf8 else {
                    throw GRIPError("\(name) contains '\(shown(key.utf8))' with wrong type")
                }
                fields.append(Field(name: Array(key.utf8), value: text))
            }
        default: throw GRIPError("\(what) contains '\(name)' with wrong type")
        }
        for field in fields where !field.isValid {
            throw GRIPError("\(name) contains '\(shown(field.name))', which is no field of HTTP")
        }
        return fields
    }

    func optionalMeta(in what: String) throws(GRIPError) -> Meta {
        guard case .object(let members)? = try optionalObject("meta", in: what) else { return [] }
        var meta: Meta = []
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            guard let text = value.utf8 else { throw GRIPError("'meta' contains '\(shown(key.utf8))' with wrong type") }
            try meta.set(Field(name: Array(key.utf8), value: text))
        }
        return meta
    }

    /// A reason phrase; empty if there is none.
    func reason(in what: String) throws(GRIPError) -> [UInt8] {
        let reason = try optionalText("reason", in: what) ?? []
        guard reason.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }), reason.count <= Limits.name else {
            throw GRIPError("\(what) contains 'reason' with invalid value")
        }
        return reason
    }
}

// Operations on a document in JSON (RFC 6902), named by paths (RFC 6901). Law: all are applied, or none.

import JSONText

enum JSONPatch {
    /// Applies operations to a text that is an object or an array; the end of its line stays.
    static func apply(_ operations: [JSONValue], toText text: [UInt8]) throws(GRIPError) -> [UInt8] {
        guard var document = JSONValue(text) else {
            throw GRIPError("a body-patch for an answer that is not JSON")
        }
        // Each operation may copy what is there: what comes of them has a bound.
        guard operations.count <= 1000 else { throw GRIPError("more than 1000 operations in a body-patch") }
        for operation in operations { try apply(operation, to: &document) }
        var result = document.serialized
        if text.suffix(2).elementsEqual("\r\n".utf8) {
            result += "\r\n".utf8
        } else if text.last == UInt8(ascii: "\n") {
            result.append(UInt8(ascii: "\n"))
        }
        return result
    }

    static func apply(_ operation: JSONValue, to document: inout JSONValue) throws(GRIPError) {
        guard operation.isObject else { throw GRIPError("invalid op") }
        let name = try operation.requiredText("op", in: "op")
        let path = try pointer(operation, "path")
        switch String(decoding: name, as: UTF8.self) {
        case "add": try add(try value(operation), at: path[...], to: &document)
        case "remove": _ = try take(path[...], of: &document)
        case "replace":
            let value = try value(operation)
            guard !path.isEmpty else { return document = value }
            _ = try take(path[...], of: &document)
            try add(value, at: path[...], to: &document)
        case "move":
            let from = try pointer(operation, "from")
            guard !(from.count < path.count && path.starts(with: from)) else {
                throw GRIPError("cannot move location into itself")
            }
            try add(try take(from[...], of: &document), at: path[...], to: &document)
        case "copy":
            let from = try pointer(operation, "from")
            guard let value = find(from[...], in: document) else { throw GRIPError("location does not exist") }
            guard value.size + document.size <= largest else { throw GRIPError("a body-patch makes too much") }
            try add(value, at: path[...], to: &document)
        case "test":
            guard find(path[...], in: document) == (try value(operation)) else {
                throw GRIPError("tested values are not equal")
            }
        default: throw GRIPError("unsupported op: \(shown(name))")
        }
    }

    /// Values of a document that operations may make.
    private static let largest = 100_000

    private static func value(_ operation: JSONValue) throws(GRIPError) -> JSONValue {
        guard let value = operation.member("value") else { throw GRIPError("op does not contain 'value'") }
        return value
    }

    private static func pointer(_ operation: JSONValue, _ name: String) throws(GRIPError) -> [String] {
        let text = String(decoding: try operation.requiredText(name, in: "op"), as: UTF8.self)
        if text.isEmpty { return [] }
        guard text.utf8.first == UInt8(ascii: "/") else { throw GRIPError("pointer must start with /") }
        let parts = text.utf8.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
        return parts.map(unescaped)
    }

    /// ~1 is a slash, ~0 is a tilde.
    private static func unescaped(_ part: Substring.UTF8View) -> String {
        var (bytes, isEscape): ([UInt8], Bool) = ([], false)
        for byte in part {
            switch (isEscape, byte) {
            case (true, UInt8(ascii: "0")): bytes.append(UInt8(ascii: "~"))
            case (true, UInt8(ascii: "1")): bytes.append(UInt8(ascii: "/"))
            case (false, UInt8(ascii: "~")): break
            case (let isEscape, _):
                if isEscape { bytes.append(UInt8(ascii: "~")) }
                bytes.append(byte)
            }
            isEscape = !isEscape && byte == UInt8(ascii: "~")
        }
        if isEscape { bytes.append(UInt8(ascii: "~")) }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func index(_ part: String, below count: Int) throws(GRIPError) -> Int {
        guard let index = Int(part), part == String(index) else { throw GRIPError("index must be an integer") }
        guard (0..<count).contains(index) else { throw GRIPError("index out of range") }
        return index
    }

    private static func find(_ path: ArraySlice<String>, in value: JSONValue) -> JSONValue? {
        guard let part = path.first else { return value }
        switch value {
        case .object: return value.member(part).flatMap { find(path.dropFirst(), in: $0) }
        case .array(let values):
            guard let index = try? index(part, below: values.count) else { return nil }
            return find(path.dropFirst(), in: values[index])
        default: return nil
        }
    }

    private static func add(
        _ new: JSONValue, at path: ArraySlice<String>, to value: inout JSONValue
    ) throws(GRIPError) {
        guard let part = path.first else { return value = new }
        try change(&value, part, isLast: path.count == 1) { (inner) throws(GRIPError) in
            try add(new, at: path.dropFirst(), to: &inner)
        } object: { (members) throws(GRIPError) in
            members[part] = new
        } array: { (values) throws(GRIPError) in
            values.insert(new, at: part == "-" ? values.count : try index(part, below: values.count + 1))
        }
    }

    private static func take(_ path: ArraySlice<String>, of value: inout JSONValue) throws(GRIPError) -> JSONValue {
        guard let part = path.first else { throw GRIPError("the whole document cannot be removed") }
        var taken: JSONValue?
        try change(&value, part, isLast: path.count == 1) { (inner) throws(GRIPError) in
            taken = try take(path.dropFirst(), of: &inner)
        } object: { (members) throws(GRIPError) in
            taken = members.removeValue(forKey: part)
        } array: { (values) throws(GRIPError) in
            taken = values.remove(at: try index(part, below: values.count))
        }
        guard let taken else { throw GRIPError("location does not exist") }
        return taken
    }

    /// Steps into the part of a value, or changes it where the path ends.
    private static func change(
        _ value: inout JSONValue, _ part: String, isLast: Bool,
        inner: (inout JSONValue) throws(GRIPError) -> Void,
        object: (inout [String: JSONValue]) throws(GRIPError) -> Void,
        array: (inout [JSONValue]) throws(GRIPError) -> Void
    ) throws(GRIPError) {
        switch value {
        case .object(var members):
            if isLast {
                try object(&members)
            } else {
                guard var next = members[part] else {
                    throw GRIPError("cannot step into undefined reference: key=\(shown(part.utf8))")
                }
                try inner(&next)
                members[part] = next
            }
            value = .object(members)
        case .array(var values):
            if isLast {
                try array(&values)
            } else {
                let index = try index(part, below: values.count)
                try inner(&values[index])
            }
            value = .array(values)
        default: throw GRIPError("non-container value cannot have child reference")
        }
    }
}

extension JSONValue {
    /// How many values it has.
    fileprivate var size: Int {
        switch self {
        case .array(let values): values.reduce(1) { $0 + $1.size }
        case .object(let members): members.values.reduce(1) { $0 + $1.size }
        default: 1
        }
    }
}

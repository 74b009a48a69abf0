// The placeholders of a uwsgi.ini: `%d` and its like are parts of the file's path, `%(name)` is what a line above says,
// `$(NAME)` a variable of the environment. As in uWSGI, one that is not known stays as it is written.

struct UWSGIPlaceholders {
    /// Lines can double what lines above have doubled, so what all values have together is bounded.
    private static let mostBytes = 1 << 20

    /// Parts of the path, by their letter.
    private let parts: [Character: String]
    private var values: [String: (text: String, index: Int)] = [:]
    private var bytes = 0
    /// The indices of the lines whose values were used.
    private(set) var used: Set<Int> = []

    init(folder: String, file: String) {
        let folder = folder.hasSuffix("/") ? folder : folder + "/"
        let file = file.split(separator: "/").last.map(String.init) ?? ""
        let dot = file.lastIndex(of: ".")
        parts = [
            "d": folder, "p": folder + file, "s": file, "n": String(file[..<(dot ?? file.endIndex)]),
            "e": dot.map { String(file[file.index(after: $0)...]) } ?? "",
            "c": folder.split(separator: "/").last.map(String.init) ?? "", "%": "%",
        ]
    }

    /// Of a key that is repeated, the first value counts, as in uWSGI. `index` is the line's.
    mutating func define(_ key: String, _ value: String, index: Int) {
        var (name, text) = (key[...], value[...])
        // `set-placeholder = name=value`
        if ["set", "set-ph", "set-placeholder"].contains(key), let sign = value.firstIndex(of: "=") {
            (name, text) = (value[..<sign], value[value.index(after: sign)...])
        }
        if values[String(name)] == nil { values[String(name)] = (String(text), index) }
    }

    mutating func replaced(
        in text: String, line: Int, _ environment: (String) -> String?
    ) throws(FileSyntaxError) -> String {
        var result = ""
        var rest = text[...]
        while let mark = rest.firstIndex(where: { $0 == "%" || $0 == "$" }) {
            result += rest[..<mark]
            rest = rest[mark...]
            let (length, value) = placeholder(rest, environment)
            result += value ?? String(rest.prefix(length))
            rest = rest.dropFirst(length)
            guard bytes + result.utf8.count <= Self.mostBytes else { break }
        }
        result += rest
        bytes += result.utf8.count
        guard bytes <= Self.mostBytes else { throw FileSyntaxError(line: line, "the values are longer than 1 MiB") }
        return result
    }

    /// How many characters the placeholder at the beginning of `text` has, and its value if it is known.
    private mutating func placeholder(
        _ text: Substring, _ environment: (String) -> String?
    ) -> (length: Int, value: String?) {
        let tail = text.dropFirst()
        guard tail.first == "(" else {
            let part = text.first == "%" ? tail.first.flatMap { parts[$0] } : nil
            return (part == nil ? 1 : 2, part)
        }
        guard let end = tail.firstIndex(of: ")") else { return (text.count, nil) }
        let name = String(tail[tail.index(after: tail.startIndex)..<end])
        let length = name.count + 3
        if text.first == "$" { return (length, environment(name)) }
        guard let value = values[name] else { return (length, nil) }
        used.insert(value.index)
        return (length, value.text)
    }
}

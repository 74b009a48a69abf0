// `a=1&b=2`, for names and values that need no percent-decoding.

struct Query {
    private var values: [Substring: Substring] = [:]

    init(_ text: (some StringProtocol)?) {
        for pair in String(text ?? "").split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[parts[0]] = parts[1] }
        }
    }

    subscript(name: Substring) -> String? { values[name].map(String.init) }
}

// The query of a request to the admin process. Law: a parameter that is not known, that comes twice or that is not what
// it is to be is refused with a sentence, so that a mistake never looks like an answer.

import HTTPCore

struct Query {
    struct Mistake: Error, Equatable {
        /// A sentence for whoever has asked.
        let text: String
    }

    private let values: [String: String]

    /// - Parameter names: all that may come.
    init(_ head: RequestHead, allowing names: Set<String> = []) throws(Mistake) {
        try self.init(head.hasQuery ? head.string(head.query) : "", allowing: names)
    }

    init(_ text: String, allowing names: Set<String>) throws(Mistake) {
        var values: [String: String] = [:]
        for part in text.split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = String(pair[0])
            guard names.contains(name) else {
                let known = names.isEmpty ? "there is none here" : names.sorted().joined(separator: ", ")
                throw Mistake(text: "'\(Self.shown(name))' is not a parameter: \(known)")
            }
            guard values[name] == nil else { throw Mistake(text: "\(name) is given twice") }
            values[name] = pair.count == 2 ? String(pair[1]) : ""
        }
        self.values = values
    }

    /// Of this name; nil if it does not come.
    func number(_ name: String) throws(Mistake) -> Int? {
        guard let text = values[name] else { return nil }
        guard !text.isEmpty, text.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }), let number = Int(text) else {
            throw Mistake(text: "\(name) is to be a number, not '\(Self.shown(text))'")
        }
        return number
    }

    /// What somebody has sent, in a sentence that goes back to them.
    private static func shown(_ text: String) -> String {
        String(text.unicodeScalars.prefix(40).map { $0.value >= 0x20 && $0.value < 0x7f ? Character($0) : "?" })
    }
}

// `--cpu-affinity`: on which processors workers run.

package enum CPUAffinity: Equatable, Sendable {
    /// Each worker on one of the processors that the server may use, in turn.
    case auto
    /// The same with these.
    case processors([Int])

    /// Reads `auto`, or numbers and ranges as taskset(1) has them: `0,2,4-7`.
    package init(parsing text: String) throws(ValueError) {
        if text.lowercased() == "auto" {
            self = .auto
            return
        }
        var numbers: [Int] = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.trimming(" ").split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
            let values = ends.compactMap { end in
                end.allSatisfy { $0.isASCII && $0.isNumber } ? Int(end).flatMap { $0 < 8192 ? $0 : nil } : nil
            }
            guard let first = values.first, let last = values.last, values.count == ends.count, first <= last else {
                throw ValueError("'\(text)' is neither auto nor processors as in 0,2,4-7")
            }
            numbers += Array(first...last)
        }
        self = .processors(numbers)
    }

    /// As the parser reads it.
    package var text: String {
        switch self {
        case .auto: "auto"
        case .processors(let numbers): numbers.map(String.init).joined(separator: ",")
        }
    }

    /// That of a worker.
    ///
    /// - Parameters:
    ///   - index: from 0.
    ///   - usable: those that the server may use.
    package func processor(ofWorker index: Int, among usable: [Int]) -> Int? {
        let numbers = if case .processors(let numbers) = self { numbers } else { usable }
        return numbers.isEmpty ? nil : numbers[index % numbers.count]
    }
}

// The corpus is in Tests/Corpus/*.json. The tests of targets, the comparison with other parsers and the fuzzers read
// the same cases. Characters are bytes (U+0000...U+00FF), and {{text*3}} means "texttexttext".
import Foundation

package enum CorpusFile {
    package static func load<Case: Decodable>(_ name: String) -> [Case] {
        let tests = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        let file = tests.appendingPathComponent("Corpus/\(name).json")
        do {
            return try JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
        } catch {
            fatalError("\(file.path): \(error)")
        }
    }

    package static func expand(_ text: String) -> [UInt8] {
        var bytes = text.unicodeScalars.map { UInt8($0.value) }
        while let close = bytes.firstRange(of: Array("}}".utf8)),
            let open = bytes[..<close.lowerBound].lastRange(of: Array("{{".utf8)),
            let star = bytes[open.upperBound..<close.lowerBound].lastIndex(of: UInt8(ascii: "*")),
            let times = Int(String(decoding: bytes[(star + 1)..<close.lowerBound], as: UTF8.self))
        {
            let unit = Array(bytes[open.upperBound..<star])
            bytes.replaceSubrange(
                open.lowerBound..<close.upperBound, with: [[UInt8]](repeating: unit, count: times).joined())
        }
        return bytes
    }
}

extension Array where Element == UInt8 {
    fileprivate func firstRange(of needle: [UInt8]) -> Range<Int>? { self[...].firstRange(of: needle) }
}

extension ArraySlice where Element == UInt8 {
    fileprivate func firstRange(of needle: [UInt8]) -> Range<Int>? {
        indices.first { self[$0...].starts(with: needle) }.map { $0..<$0 + needle.count }
    }

    fileprivate func lastRange(of needle: [UInt8]) -> Range<Int>? {
        indices.last { self[$0...].starts(with: needle) }.map { $0..<$0 + needle.count }
    }
}

/// Positions at which an input is cut: all if it is short, else those near its ends and some between.
package func cuts(_ count: Int) -> [Int] {
    guard count > 2500 else { return Array(0...count) }
    let near = 40
    return Array(0..<near) + stride(from: near, to: count - near, by: 997) + Array((count - near)...count)
}

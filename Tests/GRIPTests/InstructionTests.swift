import EvTestSupport
import Testing

@testable import GRIP

func utf8(_ text: String) -> [UInt8] { Array(text.utf8) }
func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

/// The lines of an answer: `want` is the instruction in words, or the text of the error.
struct InstructionCase: Decodable, Sendable, CustomStringConvertible {
    let name: String
    let lines: String
    let status: Int?
    let body: String?
    let want: String

    var description: String { name }

    static let all: [InstructionCase] = CorpusFile.load("grip-instructions")
}

private func words(_ instruction: Instruction) -> String {
    var words = [instruction.hold.map { "\($0)" } ?? "none"]
    for channel in instruction.channels {
        let id = channel.previousID.map { [" <" + text($0)] } ?? []
        words.append("[" + text(channel.name) + (id + channel.filters.map { " " + $0.rawValue }).joined() + "]")
    }
    words.append("\(instruction.timeout)")
    if let keep = instruction.keepAlive { words.append("keep \(keep.mode) \(keep.timeout) '\(text(keep.data))'") }
    for entry in instruction.meta { words.append("meta \(text(entry.name))=\(text(entry.value))") }
    if !instruction.exposed.isEmpty { words.append("exposes " + instruction.exposed.map(text).joined(separator: " ")) }
    if let next = instruction.next { words.append("next \(text(next.target)) \(next.timeout)") }
    if let gone = instruction.gone { words.append("gone \(text(gone))") }
    if instruction.awaitsJSON { words.append("json") }
    if let answer = instruction.response {
        words.append("answer \(answer.code) '\(text(answer.reason))' '\(text(answer.body))'")
        words += answer.fields.map { "\(text($0.name)): \(text($0.value))" }
    }
    if let status = instruction.status { words.append("status \(status.code) '\(text(status.reason))'") }
    return words.joined(separator: " ")
}

@Suite struct InstructionTests {
    @Test func corpusIsLarge() {
        let cases = InstructionCase.all
        #expect(cases.count > 120 && Set(cases.map(\.name)).count == cases.count)
    }

    @Test(arguments: InstructionCase.all)
    func isReadAsPushpinDoes(_ example: InstructionCase) {
        let result: String
        do throws(GRIPError) {
            var instruction = try Instruction(lines: CorpusFile.expand(example.lines), status: example.status ?? 200)
            if let body = example.body { try instruction.read(json: CorpusFile.expand(body)) }
            result = words(instruction)
        } catch {
            result = error.text
        }
        #expect(result == expanded(example.want))
    }

    /// Whatever the app writes, and wherever it is cut off: an instruction or an error.
    @Test(arguments: InstructionCase.all)
    func isReadOrRefusedAtEveryCut(_ example: InstructionCase) {
        let bytes = CorpusFile.expand(example.body ?? example.lines)
        for count in cuts(bytes.count) {
            if example.body == nil {
                _ = try? Instruction(lines: Array(bytes.prefix(count)))
            } else {
                var instruction = Instruction()
                #expect(count == bytes.count || (try? instruction.read(json: Array(bytes.prefix(count)))) == nil)
            }
        }
    }

    @Test func clientsSeeNothingOfGRIP() throws {
        let lines = "Grip-Hold: response\r\nContent-Type: text/plain\r\ngRiP-Channel: a\r\nX-A:  1 \r\nX-B: 2\r\n"
        let all = try Instruction(lines: utf8(lines))
        #expect(text(all.visible(utf8(lines))) == "Content-Type: text/plain\r\nX-A: 1\r\nX-B: 2\r\n")
        let some = try Instruction(lines: utf8(lines + "Grip-Expose-Headers: x-b, Grip-Hold\r\n"))
        #expect(text(some.visible(utf8(lines))) == "X-B: 2\r\n")
    }
}

/// Expands the repetitions of a corpus in a text of characters.
func expanded(_ text: String) -> String {
    var result = text
    while let range = result.firstRange(of: /\{\{(.)\*(\d+)\}\}/) {
        let parts = result[range].dropFirst(2).dropLast(2).split(separator: "*", maxSplits: 1)
        result.replaceSubrange(range, with: String(repeating: String(parts[0]), count: Int(parts[1]) ?? 0))
    }
    return result
}

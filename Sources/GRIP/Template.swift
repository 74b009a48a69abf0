// Contents with directives: %s, %(argument)s, and %% for a percent sign.

enum Template {
    /// Replaces each directive by what `value` makes of its letter and its argument.
    static func filled(
        _ template: [UInt8],
        _ value: (_ directive: UInt8, _ argument: [UInt8]?) throws(GRIPError) -> [UInt8]
    ) throws(GRIPError) -> [UInt8] {
        guard template.contains(UInt8(ascii: "%")) else { return template }
        var filled: [UInt8] = []
        filled.reserveCapacity(template.count)
        var index = 0
        while index < template.count {
            let byte = template[index]
            guard byte == UInt8(ascii: "%") else {
                filled.append(byte)
                index += 1
                continue
            }
            let start = index
            index += 1
            guard index < template.count else { throw GRIPError("Expected directive after '%' at position \(start)") }
            if template[index] == UInt8(ascii: "%") {
                filled.append(UInt8(ascii: "%"))
                index += 1
                continue
            }
            let argument = template[index] == UInt8(ascii: "(") ? try self.argument(template, &index) : nil
            let directive = template[index]
            guard argument != nil || isLetter(directive) else {
                throw GRIPError("\(unknown(directive)) at position \(index)")
            }
            do throws(GRIPError) {
                filled += try value(directive, argument)
            } catch {
                throw GRIPError("\(error.text) at position \(index)")
            }
            index += 1
        }
        return filled
    }

    /// Reads "(text)", and goes to the byte behind it, which is there.
    private static func argument(_ template: [UInt8], _ index: inout Int) throws(GRIPError) -> [UInt8] {
        let start = index
        var argument: [UInt8] = []
        index += 1
        while index < template.count, template[index] != UInt8(ascii: ")") {
            if template[index] == UInt8(ascii: "\\") {
                index += 1
                guard index < template.count else { break }
            }
            argument.append(template[index])
            index += 1
        }
        guard index < template.count else { throw GRIPError("Unterminated field starting at position \(start)") }
        index += 1
        guard index < template.count else { throw GRIPError("Expected directive after ')' at position \(index - 1)") }
        return argument
    }

    /// What stands for %(name)s.
    static func variable(
        _ directive: UInt8, _ argument: [UInt8]?, _ value: ([UInt8]) -> [UInt8]?
    ) throws(GRIPError) -> [UInt8] {
        guard directive == UInt8(ascii: "s") else { throw unknown(directive) }
        guard let argument else { throw GRIPError("Directive 's' requires argument") }
        guard let value = value(argument) else { throw GRIPError("No such variable '\(shown(argument))'") }
        return value
    }

    static func unknown(_ directive: UInt8) -> GRIPError { GRIPError("Unknown directive '\(shown([directive]))'") }

    static func hex(_ bytes: [UInt8]) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    private static func isLetter(_ byte: UInt8) -> Bool { (0x41...0x5a).contains(byte & 0xdf) }
}

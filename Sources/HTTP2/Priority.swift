// How much a client wants an answer before others (RFC 9218).

package struct Priority: Equatable, Sendable {
    /// 0 is the most urgent, 7 the least.
    package var urgency: UInt8 = 3
    /// A part of the answer is of use by itself: such answers are sent by turns.
    package var isIncremental = false

    package init() {}

    /// Reads the value of the field `priority`, or of a PRIORITY_UPDATE frame: a dictionary of RFC 8941 of which `u`
    /// and `i` are looked for. What cannot be read counts as not said.
    init(_ value: some Collection<UInt8>) {
        for member in value.split(separator: UInt8(ascii: ",")) {
            let word = member.filter { $0 != UInt8(ascii: " ") && $0 != UInt8(ascii: "\t") }
            let item = word.prefix { $0 != UInt8(ascii: ";") }
            switch item.first {
            case UInt8(ascii: "u") where item.count == 3 && item[1] == UInt8(ascii: "="):
                if (UInt8(ascii: "0")...UInt8(ascii: "7")).contains(item[2]) { urgency = item[2] - UInt8(ascii: "0") }
            case UInt8(ascii: "i") where item.count == 1 || item.elementsEqual("i=?1".utf8): isIncremental = true
            case UInt8(ascii: "i") where item.elementsEqual("i=?0".utf8): isIncremental = false
            default: break
            }
        }
    }
}

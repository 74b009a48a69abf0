// RequestParser: one head.

import HTTP1
import HTTPCore

private func verdict(_ outcome: RequestParser.Outcome) -> String? {
    switch outcome {
    case .needMoreData: nil
    case .failure(let error): "\(error.statusHint) \(error.code)"
    case .head(let head, let consumed): "\(consumed) \(describe(head))"
    }
}

/// What must hold for every head that is accepted.
private func checkPromises(_ head: RequestHead, _ limits: HTTPLimits) {
    let size = head.withBytes { $0.count }
    // A Host that an absolute form adds to HTTP/1.0 is no line that was received: its name stands behind the head.
    let received = head.fields.count { $0.name.start < size }
    check(size <= limits.headSize && received <= limits.fieldCount, "limits do not hold")
    let mayAddHost = head.version == .http10 && head.scheme != nil
    check(head.fields.count <= received + (mayAddHost ? 1 : 0), "more fields than were received")
    check(!head.path.isEmpty && !head.method.isEmpty, "an empty path or method")
    check(head.string(head.path).first == "/" || head.string(head.target) == "*", "a path without a slash")
    check(head.version == .http10 || !head.authority.isEmpty, "no authority in HTTP/1.1")
    check(head.withBytes { $0.suffix(4).elementsEqual("\r\n\r\n".utf8) }, "no end")
    for field in head.fields {
        head.withBytes(of: field.value) { value in
            check(value.allSatisfy { $0 >= 0x20 && $0 != 0x7f || $0 == 9 }, "a control byte in a value")
            check(value.first != 0x20 && value.last != 0x20, "blanks around a value")
        }
        check(!field.name.isEmpty, "an empty name")
    }
    let lengths = head.values(of: "content-length")
    let codings = head.values(of: "transfer-encoding")
    check(lengths.count + codings.count <= 1, "two framings")
    check(head.framing == .chunked ? codings.count == 1 : codings.isEmpty, "a coding that does not frame")
    check(head.framing == .none ? lengths.isEmpty : true, "a length that does not frame")
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzHead(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    var parser = RequestParser(limits: input.limits)
    let outcome = exactly(input.received) { parser.parse($0) }
    let whole = verdict(outcome)
    if case .head(let head, _) = outcome { checkPromises(head, input.limits) }
    if case .failure = outcome {
        let again = exactly("GET / HTTP/1.0\r\n\r\n".utf8) { verdict(parser.parse($0)) }
        check(again == whole, "a refused parser parsed on: \(again ?? "")")
    }

    var pieces = RequestParser(limits: input.limits)
    var split: String?
    for end in input.cuts where split == nil {
        split = exactly(input.received[..<end]) { verdict(pieces.parse($0)) }
    }
    check(whole == split, "whole: \(whole ?? "more"); split at \(input.cuts): \(split ?? "more")")
    return 0
}

// UWSGIPacket, SCGIPacket and GatewayRequest: a request of a web server, and the head of HTTP that comes of it.

import GatewayProtocols

private func describe(_ outcome: UWSGIPacket.Outcome) -> String {
    switch outcome {
    case .needMoreData: "more"
    case .failure(let error): "\(error)"
    case .request(let variables, let consumed): "\(consumed) \(variables)"
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPacket(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    let limits = input.variableLimits
    for parse in [UWSGIPacket.parse, SCGIPacket.parse] {
        let whole = exactly(input.received) { parse($0, limits) }
        for end in input.cuts {
            let outcome = exactly(input.received[..<end]) { parse($0, limits) }
            if case .needMoreData = outcome { continue }
            check(describe(outcome) == describe(whole), "whole: \(whole); the first \(end) bytes: \(outcome)")
        }
        guard case .request(let variables, let consumed) = whole else { continue }
        check(consumed <= input.received.count && variables.count <= limits.count, "more than there is")
        checkHead(variables, isOpen: false)
    }
    return 0
}

// ProxyHeader: the beginning of a connection.

import GatewayProtocols

/// What must hold for every header that is accepted.
private func checkPromises(_ outcome: ProxyHeader.Outcome, _ received: UnsafeBufferPointer<UInt8>) {
    switch outcome {
    case .header(let header, let count):
        check((12...ProxyHeader.longest).contains(count) && count <= received.count, "a count that is not there")
        let isLine = received[0] == UInt8(ascii: "P")
        check(!isLine || count <= 107 && received[count - 2] == 13 && received[count - 1] == 10, "a line without end")
        check(exactly(received[..<count]) { ProxyHeader.parse($0, [.v1, .v2]) } == outcome, "other bytes were used")
        if let announced = header.announced {
            check(announced.source.isIPv6 == announced.destination.isIPv6, "two families")
            for endpoint in [announced.source, announced.destination] where !endpoint.isIPv6 {
                check((4..<16).allSatisfy { endpoint.address[$0] == 0 }, "an IPv4 address of more than four bytes")
            }
        }
    case .needMoreData:
        check(received.count < ProxyHeader.longest, "a header without bound")
    case .absent:
        check(!received.starts(with: "PROXY ".utf8), "a header that was not seen")
    case .failure:
        break
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzPreface(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    let whole = exactly(input.received) { ProxyHeader.parse($0, [.v1, .v2]) }
    checkPromises(whole, input.received)
    for end in input.cuts {
        let outcome = exactly(input.received[..<end]) { ProxyHeader.parse($0, [.v1, .v2]) }
        if case .needMoreData = outcome { continue }
        check(outcome == whole, "whole: \(whole); the first \(end) bytes: \(outcome)")
    }
    for version in [ProxyHeader.Versions.v1, .v2] {
        let one = exactly(input.received) { ProxyHeader.parse($0, version) }
        switch whole {
        case .header, .failure: check(one == whole || one == .absent, "one version alone: \(one)")
        case .absent: check(one == .absent, "one version alone: \(one)")
        case .needMoreData: break
        }
    }
    return 0
}

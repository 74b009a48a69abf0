// RequestParser and BodyDecoder over a connection's bytes: heads and bodies in turn, until they end or are refused.

import HTTP1
import HTTPCore

/// The receiving side of a connection, used as a server does. `log` is all that an app could see.
private struct Connection {
    let limits: HTTPLimits
    var parser: RequestParser
    var decoder: BodyDecoder?
    var pending: [UInt8] = []
    var log = ""
    var isRefused = false

    init(limits: HTTPLimits) {
        self.limits = limits
        parser = RequestParser(limits: limits)
    }

    mutating func receive(_ bytes: some Collection<UInt8>) {
        pending += bytes
        while !isRefused, step() {}
    }

    private mutating func step() -> Bool {
        var consumed = 0
        defer { pending.removeFirst(consumed) }
        guard var decoder else {
            switch exactly(pending, { parser.parse($0) }) {
            case .needMoreData:
                return false
            case .failure(let error):
                refuse(error)
                return false
            case .head(let head, let count):
                log += "\n\(describe(head)) "
                consumed = count
                self.decoder = BodyDecoder(framing: head.framing, limits: limits)
                return true
            }
        }
        var event = BodyDecoder.Event.needMoreData
        exactly(pending) { bytes in
            do throws(HTTP1Error) {
                event = try decoder.next(bytes, from: &consumed)
            } catch {
                refuse(error)
            }
        }
        self.decoder = event == .end ? nil : decoder
        switch event {
        case .data(let range):
            check(!range.isEmpty && range.upperBound == consumed, "data that is not what was consumed")
            log += pending[range].map { "\($0)," }.joined()
            return true
        case .end:
            log += "."
            return true
        case .needMoreData:
            check(isRefused || consumed == pending.count, "bytes left to the caller")
            return false
        }
    }

    private mutating func refuse(_ error: HTTP1Error) {
        log += " \(error.statusHint) \(error.code)"
        isRefused = true
    }
}

@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzMessages(_ data: UnsafePointer<UInt8>, _ size: Int) -> CInt {
    guard let input = Input(UnsafeBufferPointer(start: data, count: size)) else { return 0 }
    var whole = Connection(limits: input.limits)
    whole.receive(input.received)

    var split = Connection(limits: input.limits)
    var start = 0
    for end in input.cuts {
        split.receive(input.received[start..<end])
        start = end
    }
    check(whole.log == split.log, "whole:\(whole.log)\nsplit at \(input.cuts):\(split.log)")
    return 0
}

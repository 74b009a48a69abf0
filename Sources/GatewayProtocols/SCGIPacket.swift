// An SCGI request: a netstring of variables, CONTENT_LENGTH first ("SCGI: A Simple Common Gateway Interface
// alternative", version 1). Law: as for uwsgi, complete or refused.

package enum SCGIPacket {
    /// - Parameter bytes: everything received since the last request.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, _ limits: GatewayVariables.Limits = .init()
    ) -> UWSGIPacket.Outcome {
        do throws(GatewayError) {
            guard let (size, start) = try length(bytes, limits) else { return .needMoreData }
            guard bytes.count > start + size else { return .needMoreData }
            guard bytes[start + size] == UInt8(ascii: ",") else { throw .malformed }
            let block = UnsafeRawBufferPointer(rebasing: bytes[start..<(start + size)])
            return .request(try variables(block, limits), consumed: start + size + 1)
        } catch {
            return .failure(error)
        }
    }

    /// The number in front of the colon: decimal, without a zero in front. Nil while its end is missing.
    private static func length(
        _ bytes: UnsafeRawBufferPointer, _ limits: GatewayVariables.Limits
    ) throws(GatewayError) -> (size: Int, start: Int)? {
        var size = 0
        for (index, byte) in bytes.enumerated() {
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"):
                guard index == 0 || size > 0 else { throw .malformed }
                size = size * 10 + Int(byte - UInt8(ascii: "0"))
                // NULs are in it, and not in what the limit counts.
                guard size <= limits.bytes + 2 * limits.count else { throw .tooLarge }
            case UInt8(ascii: ":"):
                guard index > 0 else { throw .malformed }
                return (size, index + 1)
            default: throw .malformed
            }
        }
        return nil
    }

    private static func variables(
        _ block: UnsafeRawBufferPointer, _ limits: GatewayVariables.Limits
    ) throws(GatewayError) -> GatewayVariables {
        guard block.last == 0 else { throw .malformed }
        var variables = GatewayVariables()
        var isFirst = true
        var rest = block[...]
        while !rest.isEmpty {
            guard let nameEnd = rest.firstIndex(of: 0),
                let valueEnd = rest[(nameEnd + 1)...].firstIndex(of: 0)
            else { throw .malformed }
            let name = rest[rest.startIndex..<nameEnd]
            if isFirst, !name.elementsEqual("CONTENT_LENGTH".utf8) { throw .notSCGI }
            isFirst = false
            try variables.append(name: name, value: rest[(nameEnd + 1)..<valueEnd], limits)
            rest = rest[(valueEnd + 1)...]
        }
        guard let version = variables["SCGI"], version.elementsEqual("1".utf8) else { throw .notSCGI }
        return variables
    }
}

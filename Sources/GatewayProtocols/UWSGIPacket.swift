// A uwsgi request: four bytes, and a block of variables (uWSGI's "The uwsgi Protocol"). Law: a block is complete or
// refused, and the bytes behind it are the body's.

package enum UWSGIPacket {
    package enum Outcome {
        /// More bytes are needed, this many in all as far as is known.
        case needMoreData
        case request(GatewayVariables, consumed: Int)
        case failure(GatewayError)
    }

    private static let headerSize = 4

    /// - Parameter bytes: everything received since the last request.
    package static func parse(
        _ bytes: UnsafeRawBufferPointer, _ limits: GatewayVariables.Limits = .init()
    ) -> Outcome {
        // modifier1, the size of the block with its low byte first, modifier2. What is no uwsgi is refused by its
        // first byte: "G" of GET is 71.
        guard let modifier = bytes.first else { return .needMoreData }
        guard modifier == 0 else { return .failure(.modifier) }
        guard bytes.count >= headerSize else { return .needMoreData }
        let size = Int(bytes[1]) | Int(bytes[2]) << 8
        guard bytes[3] == 0 else { return .failure(.modifier) }
        guard size <= limits.bytes else { return .failure(.tooLarge) }
        guard bytes.count >= headerSize + size else { return .needMoreData }
        var block = UnsafeRawBufferPointer(rebasing: bytes[headerSize..<(headerSize + size)])
        var variables = GatewayVariables()
        do throws(GatewayError) {
            while !block.isEmpty {
                let name = try next(&block)
                let value = try next(&block)
                // uWSGI's own servers send none without a name, and its parser passes over it.
                try variables.append(name: name, value: value, limits)
            }
        } catch {
            return .failure(error)
        }
        return .request(variables, consumed: headerSize + size)
    }

    /// A text with its length, low byte first, in front.
    private static func next(_ block: inout UnsafeRawBufferPointer) throws(GatewayError) -> UnsafeRawBufferPointer {
        guard block.count >= 2 else { throw .malformed }
        let size = Int(block[0]) | Int(block[1]) << 8
        guard block.count - 2 >= size else { throw .malformed }
        let text = UnsafeRawBufferPointer(rebasing: block[2..<(2 + size)])
        block = UnsafeRawBufferPointer(rebasing: block[(2 + size)...])
        return text
    }
}

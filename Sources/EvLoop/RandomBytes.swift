import CEvLoop

/// Random bytes of the kernel's.
package enum RandomBytes {
    /// A call costs about as much for a kilobyte as for 16 bytes.
    package static func fill(_ bytes: UnsafeMutableRawBufferPointer) {
        guard let start = bytes.baseAddress, evg_random(start, bytes.count) != 0 else { return }
        var generator = SystemRandomNumberGenerator()
        for place in bytes.indices { bytes[place] = UInt8.random(in: .min ... .max, using: &generator) }
    }
}

// What may come of one app or publisher at once. Law: nothing is stored for a name before it has been checked here.

package enum Limits {
    /// Channels of one hold, and of one WebSocket.
    package static let channels = 100
    /// Filters of one channel, as in Pushpin.
    package static let filters = 5
    /// Bytes of a channel's name, and of an id.
    package static let name = 1000
    /// Entries of a subscription's or a message's meta data, and bytes of a name or a value of them.
    package static let metaEntries = 64
    package static let metaBytes = 4096
    /// Bytes of an item as it goes from process to process.
    package static let message = 16 << 20
    /// Items of one request to publish.
    package static let items = 10_000
    /// Seconds: about 24 days, so that no time limit overflows where it is added to another.
    static let seconds = 0...2_000_000
}

/// A channel's name, which has to be the same for every program that reads it.
///
/// - Throws: if it is empty, longer than ``Limits/name``, not UTF-8, or has a control character, which would end a line
///   where the name is written into a field or a log.
package func checkedName(_ bytes: [UInt8], of what: String) throws(GRIPError) -> [UInt8] {
    guard !bytes.isEmpty else { throw GRIPError("\(what) is empty") }
    return try checkedText(bytes, what, Limits.name)
}

/// An id, which may be empty.
func checkedText(_ bytes: [UInt8], _ what: String, _ most: Int) throws(GRIPError) -> [UInt8] {
    guard bytes.count <= most else { throw GRIPError("\(what) is longer than \(most) bytes: '\(shown(bytes))'") }
    guard !bytes.contains(where: { $0 < 0x20 || $0 == 0x7f }) else {
        throw GRIPError("\(what) has a control character: '\(shown(bytes))'")
    }
    guard isUTF8(bytes) else { throw GRIPError("\(what) is not UTF-8: '\(shown(bytes))'") }
    return bytes
}

/// Whether text can be made of the bytes without loss.
func isUTF8(_ bytes: [UInt8]) -> Bool {
    bytes.allSatisfy { $0 < 0x80 } || String(validating: bytes, as: UTF8.self) != nil
}

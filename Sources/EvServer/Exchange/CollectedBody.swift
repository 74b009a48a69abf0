// A request body that is read whole before the app is called: in memory up to a bound, beyond it in a file.

import EvLoop

/// A whole request body, or what has come of it.
package enum CollectedBody {
    case empty
    case bytes(BodyBytes)
    /// Where the connection has read them, behind the head: valid until the receiver returns.
    case lent(UnsafeRawBufferPointer)
    /// In an unlinked file, at offset 0; the descriptor is the receiver's to close.
    indirect case file(fileDescriptor: Int32, count: Int)

    /// Closes what it owns.
    package func discard() {
        if case .file(let descriptor, _) = self { Socket.close(descriptor) }
    }
}

/// Takes the body's bytes as they arrive, for `Exchange.collectBody`.
@LoopActor
final class BodyCollector {
    /// Bytes of the body that are kept in memory before they are written to a file at once.
    private static let filePiece = 262_144

    let threshold: Int
    private let place: Spool
    private var file: (descriptor: Int32, count: Int)?
    let done: (Result<CollectedBody, RequestBodyError>) -> Void

    init(
        spoolAbove threshold: Int, to place: Spool,
        _ done: @escaping (Result<CollectedBody, RequestBodyError>) -> Void
    ) {
        self.threshold = threshold
        self.place = place
        self.done = done
    }

    isolated deinit {
        if let file { Socket.close(file.descriptor) }
    }

    /// Writes bytes to the file once they are more than may stay in memory, and takes them out of `buffer`.
    /// - Throws: `RequestBodyError.spoolFailed`.
    func spoolIfLong(_ buffer: BodyBytes) throws(RequestBodyError) {
        guard file == nil ? buffer.count > threshold : buffer.count >= Self.filePiece else { return }
        try spool(buffer)
    }

    private func spool(_ buffer: BodyBytes) throws(RequestBodyError) {
        do throws(SystemError) {
            if let file {
                try place.append(buffer.bytes, to: file.descriptor, at: file.count)
                self.file = (file.descriptor, file.count + buffer.count)
            } else {
                file = (try place.begin(with: buffer.bytes), buffer.count)
            }
            buffer.removeAll()
        } catch {
            throw .spoolFailed(error)
        }
    }

    /// The body, which is complete; `rest` is what stands in memory.
    func finish(_ rest: BodyBytes?) throws(RequestBodyError) -> CollectedBody {
        guard file != nil else { return rest.map { $0.isEmpty ? .empty : .bytes($0) } ?? .empty }
        if let rest, !rest.isEmpty { try spool(rest) }
        guard let file else { return .empty }
        self.file = nil
        return .file(fileDescriptor: file.descriptor, count: file.count)
    }
}

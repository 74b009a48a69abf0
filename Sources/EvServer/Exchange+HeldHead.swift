// A response head that waits. Between `startResponse` and the first bytes of the body other exchanges may use the
// worker's writer; whoever lets them run takes the head out before and puts it back after.

import HTTP1

extension Exchange {
    /// Lends the head that has been begun, and takes it out of the worker's writer.
    package func takeBegunHead(_ body: (UnsafeRawBufferPointer) -> Void) {
        worker.writer.withUnsafeBytes { body($0) }
        worker.writer.removeAll(keepingCapacity: true)
    }

    /// Puts a head back that `takeBegunHead` lent; `sendHead` or `sendComplete` is to follow at once. What has happened
    /// since counts: the body may have been read, the worker may be leaving.
    package func putBegunHead(_ bytes: UnsafeRawBufferPointer) {
        encoder.keepAlive = mayKeepAlive
        worker.writer.removeAll(keepingCapacity: true)
        worker.writer.append(bytes)
    }
}

import Glibc

/// A system call that failed: which one, and the `errno` it left.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    package let operation: String
    package let errno: Int32

    /// - Parameters:
    ///   - operation: the call and what it was applied to, e.g. `bind 127.0.0.1:8000`.
    ///   - errno: the error number; by default the thread's current one.
    package init(_ operation: String, errno: Int32 = Glibc.errno) {
        self.operation = operation
        self.errno = errno
    }

    package var description: String { "\(operation): \(SystemError.message(errno))" }

    /// The C library's sentence for an error number.
    package static func message(_ errno: Int32) -> String {
        strerror(errno).map { String(cString: $0) } ?? "error \(errno)"
    }
}

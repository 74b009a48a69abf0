// A request body that was read before the app is called, as the bridge wants it; and one that cannot be read.

import CPythonBridge
import EvServer

extension CollectedBody {
    /// Calls with the body in `request`, where it stays for the call. The descriptor of a file is the callee's.
    func lend<Result>(to request: UnsafeMutablePointer<evg_py_request>, _ body: () -> Result) -> Result {
        request.pointee.body = nil
        request.pointee.body_count = 0
        request.pointee.body_file = -1
        switch self {
        case .empty:
            return body()
        case .lent(let bytes):
            request.pointee.lend(bytes)
            return body()
        case .bytes(let bytes):
            return bytes.withUnsafeBytes {
                request.pointee.lend($0)
                return body()
            }
        case .file(let descriptor, let count):
            request.pointee.body_file = descriptor
            request.pointee.body_count = count
            return body()
        }
    }
}

extension evg_py_request {
    fileprivate mutating func lend(_ bytes: UnsafeRawBufferPointer) {
        body = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        body_count = bytes.count
    }
}

extension Exchange {
    /// Ends a request whose body is not whole: the app never sees it.
    func refuseBody(_ error: RequestBodyError) {
        fail(status: error.statusHint)
        taskEnded()
    }
}

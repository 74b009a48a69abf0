// How values of the server look to the bridge, and what it borrows of them.

import CPythonBridge
import EvServer
import Glibc
import HTTP1

extension CollectedBody {
    /// Closes what it owns.
    func discard() {
        if case .file(let descriptor, _) = self { _ = close(descriptor) }
    }
}

extension evg_py_range {
    init(_ slice: ByteSlice) {
        self.init(start: slice.start, count: slice.count)
    }
}

// How values of the server look to the bridge, and what it borrows of them.

import CPythonBridge
import HTTP1

extension evg_py_range {
    init(_ slice: ByteSlice) {
        self.init(start: slice.start, count: slice.count)
    }
}

// fstat(2) of a descriptor, to be compared with what it says later.

import Glibc

/// Which file an open descriptor stands for. Eventfds, timerfds and epoll sets all have the same one.
struct DescriptorIdentity: Equatable {
    private let device: UInt
    private let inode: UInt
    private let mode: UInt32

    /// Nil for a closed descriptor.
    init?(of fileDescriptor: Int32) {
        var status = stat()
        guard fstat(fileDescriptor, &status) == 0 else { return nil }
        device = UInt(status.st_dev)
        inode = UInt(status.st_ino)
        mode = UInt32(status.st_mode & S_IFMT)
    }
}

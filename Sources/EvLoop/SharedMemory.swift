// Memory that a process shares with those that it forks, and through a file without a name with one that it executes.
// Nobody can make the file shorter, so reading never fails.

import CEvLoop
import Glibc

package final class SharedMemory: Sendable {
    // What stands there is for its users to order, and it is unmapped when nobody can reach it any more.
    nonisolated(unsafe) package let start: UnsafeMutableRawPointer
    package let size: Int
    /// Of the file; negative where the kernel makes none, or this process has closed it.
    nonisolated(unsafe) package private(set) var fileDescriptor: Int32

    /// Maps `size` bytes of zeros. Pages that nobody touches cost nothing.
    package init(size: Int) throws(SystemError) {
        let file = evg_shared_file(size)
        let flags = file < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED
        let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, flags, file, 0)
        guard let mapped, mapped != MAP_FAILED else {
            let error = SystemError("mmap")
            if file >= 0 { close(file) }
            throw error
        }
        (start, self.size, fileDescriptor) = (mapped, size, file)
    }

    /// Maps the file of another process's memory. Takes the descriptor over, if it is one of such a file.
    package init?(file: Int32, size: Int) {
        guard evg_shared_file_size(file) == size else { return nil }
        let mapped = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0)
        guard let mapped, mapped != MAP_FAILED else { return nil }
        (start, self.size, fileDescriptor) = (mapped, size, file)
    }

    deinit {
        munmap(start, size)
        closeFile()
    }

    /// In a process that executes no successor.
    package func closeFile() {
        if fileDescriptor >= 0 { close(fileDescriptor) }
        fileDescriptor = -1
    }
}

// A machine, or a chroot, whose /proc is not there.

import EvSettings
import Glibc
import Testing

@testable import EvHost

struct ProcFileSystemTests {
    @Test func itIsThere() throws { try ProcFileSystem.require() }

    @Test func itsLackIsNamedAndHowToEndIt() {
        let error = #expect(throws: ConfigurationError.self) { try ProcFileSystem.require(at: "/nowhere") }
        #expect(
            error?.reason == "/proc is needed, and /nowhere/self/fd cannot be read (No such file or directory): in a "
                + "chroot, mount it with 'mount -t proc proc /proc'")
    }
}

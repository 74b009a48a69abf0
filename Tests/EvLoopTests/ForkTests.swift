import EvLoop
import Glibc
import Testing

@Suite struct ForkTests {
    /// A worker that is signalled before it has handlers must not end by the default action.
    @Test func heldSignalsWaitInTheChild() throws {
        guard let child = try Fork.fork(holding: [SIGTERM]) else {
            raise(SIGTERM)
            var pending = sigset_t()
            sigpending(&pending)
            guard sigismember(&pending, SIGTERM) == 1, sigismember(&pending, SIGINT) == 0 else { _exit(1) }
            Fork.unblock([SIGTERM])
            _exit(2)
        }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        #expect(status & 0x7f == SIGTERM, "the signal that had waited ended it, and not an exit: \(status)")
    }
}

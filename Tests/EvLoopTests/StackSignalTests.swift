import CEvLoop
import EvLoop
import Glibc
import Testing

/// In processes of their own: handlers of signals are the whole process's.
@Suite struct StackSignalTests {
    /// Runs a body in a forked process, which ends with 0 if it returns true.
    private func inProcess(_ body: () -> Bool) -> Int32 {
        let pid = evg_fork(nil, 0)
        if pid == 0 { _exit(body() ? 0 : 1) }
        var status: Int32 = 0
        waitpid(pid, &status, 0)
        return status
    }

    private static func read(_ descriptor: Int32) -> [UInt8] {
        var bytes = [UInt8](repeating: 7, count: 4096)
        let count = Glibc.read(descriptor, &bytes, bytes.count)
        return Array(bytes.prefix(max(0, count)))
    }

    @Test func withoutWriterTheMarkComesAlone() throws {
        let pipe = try StackSignal.makePipe()
        let status = inProcess {
            StackSignal.open(pipe.write)
            return raise(StackSignal.ofLoop) == 0 && Self.read(pipe.read) == [0]
                && raise(StackSignal.ofAll) == 0 && Self.read(pipe.read) == [0]
        }
        #expect(status == 0)
        close(pipe.read)
        close(pipe.write)
    }

    @Test func fullPipeMakesNobodyWait() throws {
        let pipe = try StackSignal.makePipe()
        let status = inProcess {
            StackSignal.open(pipe.write)
            while write(pipe.write, [1, 2, 3], 3) == 3 {}
            return raise(StackSignal.ofLoop) == 0
        }
        #expect(status == 0)
        close(pipe.read)
        close(pipe.write)
    }

    @Test func anotherFileUnderTheNumberIsLeftAlone() throws {
        let (pipe, other) = (try StackSignal.makePipe(), try StackSignal.makePipe())
        let status = inProcess {
            StackSignal.open(pipe.write)
            dup2(other.write, pipe.write)
            return raise(StackSignal.ofLoop) == 0 && Self.read(other.read).isEmpty && Self.read(pipe.read).isEmpty
        }
        #expect(status == 0)
        for end in [pipe.read, pipe.write, other.read, other.write] { close(end) }
    }

    @Test func writerComesBeforeTheMarkAndItsHandlerOfAbortIsTakenBack() throws {
        let pipe = try StackSignal.makePipe()
        writerDescriptor = pipe.write
        let status = inProcess {
            StackSignal.open(pipe.write)
            signal(StackSignal.ofAll) { _ in _ = write(writerDescriptor, "abc", 3) }
            signal(SIGABRT) { _ in _exit(9) }
            StackSignal.takeOver(takesBackAbort: true)
            guard raise(StackSignal.ofAll) == 0, Self.read(pipe.read) == Array("abc\0".utf8) else { return false }
            raise(SIGABRT)
            return true
        }
        #expect(status & 0x7f == SIGABRT)
        close(pipe.read)
        close(pipe.write)
    }
}

nonisolated(unsafe) private var writerDescriptor: Int32 = -1

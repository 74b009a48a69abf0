// What greenlets call. Law: none of it switches greenlets or calls the app; a call is valid until `ended`.

public import CPythonBridge
import EvLoop
import EvServer
import Glibc
import HTTP1

private func call(_ pointer: UnsafeMutableRawPointer) -> GeventCall {
    Unmanaged<GeventCall>.fromOpaque(pointer).takeUnretainedValue()
}

/// Runs on the loop's thread, which is where greenlets run.
private func onLoop<Result>(
    _ pointer: UnsafeMutableRawPointer, _ body: @LoopActor (GeventCall) -> Result
) -> Result {
    nonisolated(unsafe) let pointer = pointer
    nonisolated(unsafe) var result: Result?
    LoopActor.assumeIsolated { result = body(call(pointer)) }
    return result.unsafelyUnwrapped
}

@_cdecl("evg_swift_gevent_describe")
public func geventDescribe(
    _ pointer: UnsafeMutableRawPointer, _ request: UnsafeMutableRawPointer,
    _ out: UnsafeMutablePointer<evg_py_request>, _ streams: UnsafeMutablePointer<Bool>
) -> UnsafeMutableRawPointer? {
    nonisolated(unsafe) let (request, out, streams) = (request, out, streams)
    return onLoop(pointer) { call in
        streams.pointee = call.streams
        return call.describe(request, out)
    }
}

@_cdecl("evg_swift_gevent_start")
public func geventStart(
    _ pointer: UnsafeMutableRawPointer, _ status: Int32, _ reason: evg_py_text,
    _ fields: UnsafePointer<evg_py_text_field>, _ count: Int
) -> UnsafePointer<CChar>? {
    nonisolated(unsafe) let (reason, fields) = (reason, fields)
    return onLoop(pointer) { call in
        do throws(HTTP1Error) {
            try call.start(
                status: Int(status), reason: reason.base == nil ? nil : UnsafeRawBufferPointer(reason),
                UnsafeBufferPointer(start: fields, count: count))
            return nil
        } catch {
            return UnsafeRawPointer(error.detail.utf8Start).assumingMemoryBound(to: CChar.self)
        }
    }
}

@_cdecl("evg_swift_gevent_send")
public func geventSend(
    _ pointer: UnsafeMutableRawPointer, _ head: UnsafePointer<UInt8>?, _ headCount: Int, _ length: Int64,
    _ block: evg_py_text, _ whole: Bool
) -> evg_gevent_sent {
    nonisolated(unsafe) let (head, block) = (head, block)
    return onLoop(pointer) { call in
        call.send(
            head: UnsafeRawBufferPointer(start: head, count: head == nil ? 0 : headCount),
            UnsafeRawBufferPointer(block), length: length < 0 ? nil : UInt64(length), whole: whole)
    }
}

@_cdecl("evg_swift_gevent_is_drained")
public func geventIsDrained(_ pointer: UnsafeMutableRawPointer) -> Bool {
    onLoop(pointer) { $0.hasDrained() }
}

@_cdecl("evg_swift_gevent_is_gone")
public func geventIsGone(_ pointer: UnsafeMutableRawPointer) -> Bool {
    onLoop(pointer) { $0.exchange.isGone }
}

@_cdecl("evg_swift_gevent_finish")
public func geventFinish(_ pointer: UnsafeMutableRawPointer) {
    onLoop(pointer) { $0.exchange.finish() }
}

@_cdecl("evg_swift_gevent_fail")
public func geventFail(_ pointer: UnsafeMutableRawPointer, _ status: Int32) {
    onLoop(pointer) { call in
        guard !call.exchange.isGone else { return }
        if !call.exchange.headWasSent { call.exchange.abandonResponse() }
        call.exchange.fail(status: Int(status))
    }
}

@_cdecl("evg_swift_gevent_overrun")
public func geventOverrun(_ pointer: UnsafeMutableRawPointer) {
    onLoop(pointer) { $0.overran() }
}

@_cdecl("evg_swift_gevent_take")
public func geventTake(
    _ pointer: UnsafeMutableRawPointer, _ status: UnsafeMutablePointer<Int32>
) -> UnsafeMutableRawPointer? {
    nonisolated(unsafe) let status = status
    nonisolated(unsafe) var object: UnsafeMutableRawPointer?
    onLoop(pointer) { call in
        switch call.take() {
        case .bytes(let bytes):
            object = bytes.withUnsafeBufferPointer { evg_py_gevent_bytes($0.baseAddress, $0.count) }
        case .wait:
            status.pointee = 0
        case .failed(let code):
            status.pointee = Int32(clamping: code)
        }
    }
    return object
}

@_cdecl("evg_swift_gevent_has_left")
public func geventHasLeft(_ pointer: UnsafeMutableRawPointer) -> Bool {
    onLoop(pointer) { $0.hasLeft }
}

@_cdecl("evg_swift_gevent_watch_client")
public func geventWatchClient(_ pointer: UnsafeMutableRawPointer) {
    onLoop(pointer) { $0.watchClient() }
}

@_cdecl("evg_swift_gevent_remaining")
public func geventRemaining(_ pointer: UnsafeMutableRawPointer) -> Double {
    onLoop(pointer) { $0.exchange.deadline - EventLoop.monotonicNow() }
}

@_cdecl("evg_swift_gevent_set_remaining")
public func geventSetRemaining(_ pointer: UnsafeMutableRawPointer, _ seconds: Double) {
    onLoop(pointer) { call in
        if seconds.isFinite { call.watchDeadline() }
        call.exchange.deadline = EventLoop.monotonicNow() + seconds
    }
}

@_cdecl("evg_swift_gevent_ended")
public func geventEnded(_ pointer: UnsafeMutableRawPointer) {
    onLoop(pointer) { $0.ended() }
    Unmanaged<GeventCall>.fromOpaque(pointer).release()
}

// MARK: - Files

/// A file on its way to the client, in a task of the loop's own; no Python runs in it.
@LoopActor
private final class FileTransfer {
    private var task: Task<Void, Never>?
    private(set) var isDone = false
    private(set) var isWhole = false

    /// The task has a descriptor of its own: the app may close its file while the task still ends.
    func start(_ call: GeventCall, _ file: Int32, offset: Int, count: Int) {
        let descriptor = fcntl(file, F_DUPFD_CLOEXEC, 0)
        guard descriptor >= 0 else {
            isDone = true
            return
        }
        let exchange = call.exchange
        let task = Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
            do {
                try await exchange.sendFile(fileDescriptor: descriptor, offset: offset, count: count)
                self.isWhole = true
            } catch {}
            close(descriptor)
            self.isDone = true
            self.task = nil
            call.notify(EVG_GEVENT_FILE_SENT)
        }
        if !isDone { self.task = task }
        exchange.attach(task)
    }

    func stop() { task?.cancel() }
}

@_cdecl("evg_swift_gevent_send_file")
public func geventSendFile(
    _ pointer: UnsafeMutableRawPointer, _ file: Int32, _ offset: Int64, _ count: Int64
) -> UnsafeMutableRawPointer? {
    nonisolated(unsafe) var transfer: UnsafeMutableRawPointer?
    onLoop(pointer) { call in
        let started = FileTransfer()
        started.start(call, file, offset: Int(offset), count: Int(count))
        transfer = Unmanaged.passRetained(started).toOpaque()
    }
    return transfer
}

@_cdecl("evg_swift_gevent_file_is_done")
public func geventFileIsDone(_ pointer: UnsafeMutableRawPointer) -> Bool {
    nonisolated(unsafe) let pointer = pointer
    return LoopActor.assumeIsolated { Unmanaged<FileTransfer>.fromOpaque(pointer).takeUnretainedValue().isDone }
}

@_cdecl("evg_swift_gevent_file_ended")
public func geventFileEnded(_ pointer: UnsafeMutableRawPointer) -> Bool {
    nonisolated(unsafe) let pointer = pointer
    return LoopActor.assumeIsolated {
        let transfer = Unmanaged<FileTransfer>.fromOpaque(pointer).takeRetainedValue()
        transfer.stop()
        return transfer.isWhole
    }
}

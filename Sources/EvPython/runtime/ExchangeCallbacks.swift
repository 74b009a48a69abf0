// The Swift side of evg_exchange.h: what every worker class asks of the server about one request. Law: on the loop's
// thread; an exchange lives until `evg_swift_exchange_end`; nothing here calls the app.

public import CHTTP
public import CPythonBridge
import EvLoop
import EvServer
import Glibc
import HTTPCore

extension Exchange {
    /// The exchange as C knows it. Retains it until `exchangeEnd`.
    func retainedForC() -> OpaquePointer { OpaquePointer(Unmanaged.passRetained(self).toOpaque()) }

    /// The exchange as C knows it, for as long as the caller keeps it.
    var unretainedForC: OpaquePointer { OpaquePointer(Unmanaged.passUnretained(self).toOpaque()) }
}

func exchange(_ pointer: OpaquePointer) -> Exchange {
    Unmanaged<Exchange>.fromOpaque(UnsafeRawPointer(pointer)).takeUnretainedValue()
}

/// Runs code in the loop's isolation for calls that every request makes. As `LoopActor.assumeIsolated`, but the closure
/// captures nothing, so that no context is allocated for it: 450 instructions a call.
@inline(__always)
func onLoop<Argument, Result>(
    _ pointer: OpaquePointer, _ argument: Argument, _ body: @escaping @LoopActor (Exchange, Argument) -> Result
) -> Result {
    precondition(LoopExecutor.shared.isOnLoopThread, "not on the event loop's thread")
    return unsafeBitCast(body, to: ((Exchange, Argument) -> Result).self)(exchange(pointer), argument)
}

extension UnsafeRawBufferPointer {
    /// Borrows what C lends.
    init(_ text: evg_py_text) {
        self.init(start: text.base, count: text.count)
    }
}

extension evg_py_text {
    static var none: evg_py_text { evg_py_text(base: nil, count: 0) }

    /// Lends bytes to C.
    init(_ bytes: UnsafeRawBufferPointer) {
        self.init(base: bytes.baseAddress?.assumingMemoryBound(to: UInt8.self), count: bytes.count)
    }
}

extension Exchange {
    /// Fills in what an environ or a scope is made of, but for the body.
    func describe(_ request: UnsafeMutablePointer<evg_py_request>) {
        let remote = remote
        request.pointee.head = head.record
        request.pointee.client_port = remote.port
        request.pointee.client_address = withAddress(of: remote) { evg_py_text($0) }
        request.pointee.scheme = evg_py_text((isSecure ? "https" : "http" as StaticString).bytes)
        request.pointee.server_name = .none
        request.pointee.server_port = 0
        request.pointee.prefix = .none
        request.pointee.path_has_prefix = false
        request.pointee.is_socket = offer != nil
        request.pointee.request_id = evg_py_text(requestID)
        let destination = destination
        request.pointee.destination_address = destination.map { evg_py_text($0.text) } ?? .none
        request.pointee.destination_port = destination?.port ?? 0
        request.pointee.tls = nil
        request.pointee.tls_certificate = nil
        // Where it is plain and no proxy says otherwise, nothing is looked for.
        if isSecure { describeTLS(request) }
        if let facts { describe(facts, request) }
    }

    private func describe(_ facts: ForwardedFacts, _ request: UnsafeMutablePointer<evg_py_request>) {
        if let name = facts.serverName { request.pointee.server_name = evg_py_text(head.bytes(of: name)) }
        // The names of a Unix socket have a stand-in for the port, that of http.
        let standIn: UInt16 = isSecure && local.isUnix ? 443 : 0
        request.pointee.server_port = facts.serverPort ?? standIn
        if let prefix = facts.prefix { request.pointee.prefix = evg_py_text(head.bytes(of: prefix)) }
        request.pointee.path_has_prefix = facts.pathHasPrefix
    }
}

@_cdecl("evg_swift_exchange_describe")
public func exchangeDescribe(_ pointer: OpaquePointer, _ request: UnsafeMutablePointer<evg_py_request>) {
    onLoop(pointer, request) { exchange, request in exchange.describe(request) }
}

@_cdecl("evg_swift_exchange_request_id")
public func exchangeRequestID(_ pointer: OpaquePointer) -> evg_py_text {
    onLoop(pointer, ()) { exchange, _ in evg_py_text(exchange.requestID) }
}

// MARK: - The response

extension Exchange.WriteResult {
    var sent: evg_sent {
        switch self {
        case .ok: EVG_SENT
        case .full: EVG_SENT_FULL
        case .gone: EVG_SENT_GONE
        }
    }
}

@_cdecl("evg_swift_exchange_respond")
public func exchangeRespond(
    _ pointer: OpaquePointer, _ head: UnsafePointer<evg_response_head>, _ body: evg_py_text
) -> evg_sent {
    onLoop(pointer, (head, body)) { exchange, response in
        if exchange.isGone { return EVG_SENT_GONE }
        exchange.respond(ResponseHead.lent(response.0).pointee, body: UnsafeRawBufferPointer(response.1))
        return EVG_SENT
    }
}

@_cdecl("evg_swift_exchange_begin")
public func exchangeBegin(
    _ pointer: OpaquePointer, _ head: UnsafePointer<evg_response_head>, _ length: Int64, _ first: evg_py_text
) -> evg_sent {
    nonisolated(unsafe) let (pointer, head, first) = (pointer, head, first)
    return LoopActor.assumeIsolated {
        exchange(pointer).begin(
            ResponseHead.lent(head).pointee, contentLength: length < 0 ? nil : UInt64(length),
            first: UnsafeRawBufferPointer(first)
        ).sent
    }
}

@_cdecl("evg_swift_exchange_write")
public func exchangeWrite(_ pointer: OpaquePointer, _ bytes: evg_py_text) -> evg_sent {
    nonisolated(unsafe) let (pointer, bytes) = (pointer, bytes)
    return LoopActor.assumeIsolated { exchange(pointer).write(UnsafeRawBufferPointer(bytes)).sent }
}

@_cdecl("evg_swift_exchange_finish")
public func exchangeFinish(_ pointer: OpaquePointer) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).finish() }
}

@_cdecl("evg_swift_exchange_finish_with")
public func exchangeFinish(_ pointer: OpaquePointer, trailers: evg_py_text) {
    nonisolated(unsafe) let (pointer, trailers) = (pointer, trailers)
    LoopActor.assumeIsolated { exchange(pointer).finish(trailers: UnsafeRawBufferPointer(trailers)) }
}

@_cdecl("evg_swift_exchange_fail")
public func exchangeFail(_ pointer: OpaquePointer, _ status: Int32) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).fail(status: Int(status)) }
}

@_cdecl("evg_swift_exchange_send_file")
public func exchangeSendFile(
    _ pointer: OpaquePointer, _ file: Int32, _ offset: Int64, _ count: Int64,
    _ done: @escaping @convention(c) (UnsafeMutableRawPointer?, Int32) -> Void, _ context: UnsafeMutableRawPointer?
) {
    nonisolated(unsafe) let (pointer, done, context) = (pointer, done, context)
    LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        exchange.attach(
            Task.immediate(executorPreference: LoopExecutor.shared) { @LoopActor in
                var code: Int32 = 0
                do {
                    try await exchange.sendFile(fileDescriptor: file, offset: Int(offset), count: Int(count))
                } catch {
                    code = (error as? SystemError)?.errno ?? -1
                }
                close(file)
                done(context, code)
            })
    }
}

@_cdecl("evg_swift_exchange_hint")
public func exchangeHint(_ pointer: OpaquePointer, _ lines: evg_py_text) {
    nonisolated(unsafe) let (pointer, lines) = (pointer, lines)
    LoopActor.assumeIsolated { exchange(pointer).hint(UnsafeRawBufferPointer(lines)) }
}

@_cdecl("evg_swift_exchange_overran")
public func exchangeOverran(_ pointer: OpaquePointer) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).warnOfOverrun() }
}

// MARK: - The request body

@_cdecl("evg_swift_exchange_note")
public func exchangeNote(_ pointer: OpaquePointer, _ variables: evg_py_text) {
    onLoop(pointer, variables) { exchange, variables in
        exchange.loggedVariables = Array(UnsafeRawBufferPointer(variables))
    }
}

@_cdecl("evg_swift_exchange_take")
public func exchangeTake(
    _ pointer: OpaquePointer, _ bytes: UnsafeMutablePointer<evg_py_text>, _ status: UnsafeMutablePointer<Int32>
) -> evg_taken {
    nonisolated(unsafe) let (pointer, bytes, status) = (pointer, bytes, status)
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        bytes.pointee = evg_py_text(base: nil, count: 0)
        switch exchange.lendBody() {
        case .bytes(let lent):
            bytes.pointee = lent.withUnsafeBytes { evg_py_text($0) }
            return exchange.isBodyComplete ? EVG_TAKEN_LAST : EVG_TAKEN
        case .end:
            return EVG_TAKEN_LAST
        case .wait:
            return EVG_TAKEN_NONE
        case .failed(let error):
            status.pointee = Int32(clamping: error.statusHint)
            return EVG_TAKEN_FAILED
        }
    }
}

// MARK: - What happens to it

@_cdecl("evg_swift_exchange_watch")
public func exchangeWatch(
    _ pointer: OpaquePointer, _ events: UInt32,
    _ notify: @escaping @convention(c) (UnsafeMutableRawPointer?, evg_event) -> Void,
    _ context: UnsafeMutableRawPointer?
) {
    // An enum of C and its raw value are passed in the same way.
    let notify = unsafeBitCast(notify, to: (@convention(c) (UnsafeMutableRawPointer?, UInt32) -> Void).self)
    onLoop(pointer, (events, notify, context)) { exchange, watcher in
        exchange.watch(watcher.0, watcher.1, watcher.2)
    }
}

@_cdecl("evg_swift_exchange_state")
public func exchangeState(_ pointer: OpaquePointer) -> UInt32 {
    onLoop(pointer, ()) { exchange, _ in
        var state: UInt32 = exchange.isGone ? EVG_IS_GONE.rawValue : 0
        if exchange.clientHasLeft { state |= EVG_HAS_LEFT.rawValue }
        if exchange.isDrained { state |= EVG_IS_DRAINED.rawValue }
        return state
    }
}

@_cdecl("evg_swift_exchange_remaining")
public func exchangeRemaining(_ pointer: OpaquePointer) -> Double {
    nonisolated(unsafe) let pointer = pointer
    return LoopActor.assumeIsolated { exchange(pointer).deadline - EventLoop.monotonicNow() }
}

@_cdecl("evg_swift_exchange_set_remaining")
public func exchangeSetRemaining(_ pointer: OpaquePointer, _ seconds: Double) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).deadline = EventLoop.monotonicNow() + seconds }
}

@_cdecl("evg_swift_exchange_forget")
public func exchangeForget(_ pointer: OpaquePointer) {
    onLoop(pointer, ()) { exchange, _ in exchange.forgetFields() }
}

@_cdecl("evg_swift_exchange_called")
public func exchangeCalled(_ pointer: OpaquePointer) {
    onLoop(pointer, ()) { exchange, _ in exchange.appWasCalled() }
}

@_cdecl("evg_swift_exchange_end")
public func exchangeEnd(_ pointer: OpaquePointer) {
    onLoop(pointer, ()) { exchange, _ in exchange.taskEnded() }
    Unmanaged<Exchange>.fromOpaque(UnsafeRawPointer(pointer)).release()
}

/// Without the GIL.
@_cdecl("evg_swift_exchange_flush")
public func exchangeFlush(_ pointer: OpaquePointer) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).flushBlocking() }
}

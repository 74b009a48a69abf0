// What asgi.c asks about a request that runs. Law: the exchange lives until `evg_swift_asgi_end`; nothing here calls
// the app, and nothing suspends but the sending of a file.

public import CPythonBridge
import EvGateway
import EvLoop
import EvServer
import Glibc
import HTTP1
import Logging

private func exchange(_ pointer: UnsafeMutableRawPointer) -> Exchange {
    Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
}

/// Lends the request's head to `evg_asgi_begin`.
@_cdecl("evg_swift_asgi_describe")
public func asgiDescribe(_ pointer: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer) {
    nonisolated(unsafe) let (pointer, context) = (pointer, context)
    LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        exchange.appWasCalled = true
        let scope = ASGIApplication.current?.scope(of: exchange.local)
        ASGIApplication.lend(exchange.head, exchange.remoteAddress, exchange.remotePort, scope, context)
    }
}

@_cdecl("evg_swift_asgi_watch_deadline")
public func asgiWatchDeadline(_ pointer: UnsafeMutableRawPointer, _ request: OpaquePointer) {
    nonisolated(unsafe) let (pointer, request) = (pointer, request)
    LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        guard exchange.onDeadline == nil, exchange.deadline.isFinite else { return }
        exchange.onDeadline = { evg_asgi_event(request, EVG_ASGI_OVERDUE) }
    }
}

@_cdecl("evg_swift_asgi_watch")
public func asgiWatch(_ pointer: UnsafeMutableRawPointer, _ request: OpaquePointer, _ body: Bool) {
    nonisolated(unsafe) let (pointer, request) = (pointer, request)
    LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        if exchange.onClientLeft == nil {
            let progress = { evg_asgi_event(request, EVG_ASGI_PROGRESS) }
            exchange.onClientLeft = progress
            exchange.onDrained = progress
        }
        guard body else { return }
        // Only once: a body is timed for as long as somebody listens, and an app may stop listening.
        exchange.onBody = { [unowned exchange] in
            exchange.onBody = nil
            evg_asgi_event(request, EVG_ASGI_PROGRESS)
        }
    }
}

// MARK: - Receiving

@_cdecl("evg_swift_asgi_take")
public func asgiTake(
    _ pointer: UnsafeMutableRawPointer, _ context: UnsafeMutableRawPointer
) -> evg_asgi_take_outcome {
    nonisolated(unsafe) let (pointer, context) = (pointer, context)
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        switch exchange.takeBody() {
        case .bytes(let bytes):
            let isLast = exchange.isBodyComplete
            bytes.withUnsafeBufferPointer { evg_asgi_body(context, $0.baseAddress, $0.count) }
            return isLast ? EVG_ASGI_LAST : EVG_ASGI_BYTES
        case .end:
            return EVG_ASGI_LAST
        case .wait:
            return EVG_ASGI_WAIT
        case .failed(let error):
            exchange.fail(status: error.statusHint)
            return EVG_ASGI_FAILED
        }
    }
}

// MARK: - Sending

extension Exchange {
    /// Returns nil, or why the head is refused.
    fileprivate func begin(
        _ status: Int32, _ fields: UnsafePointer<evg_py_text_field>?, _ count: Int
    ) -> UnsafePointer<CChar>? {
        do throws(HTTP1Error) {
            try startResponse(status: Int(status))
            for index in 0..<count {
                guard let field = fields?[index] else { break }
                try addField(name: UnsafeRawBufferPointer(field.name), value: UnsafeRawBufferPointer(field.value))
            }
            return nil
        } catch {
            abandonResponse()
            return error.text
        }
    }

    /// The server's own fields cannot be written: nothing of an app's is to blame, so that it is told of a failure.
    fileprivate func refuseHead(_ error: HTTP1Error) {
        logger.error("The response's head cannot be written", metadata: ["error": "\(error)"])
        abandonResponse()
        fail()
    }
}

extension HTTP1Error {
    /// ASCII with a final NUL, valid for ever.
    fileprivate var text: UnsafePointer<CChar> {
        UnsafeRawPointer(detail.utf8Start).assumingMemoryBound(to: CChar.self)
    }
}

@_cdecl("evg_swift_asgi_start")
public func asgiStart(
    _ pointer: UnsafeMutableRawPointer, _ request: OpaquePointer, _ status: Int32,
    _ fields: UnsafePointer<evg_py_text_field>?, _ count: Int
) -> UnsafePointer<CChar>? {
    nonisolated(unsafe) let (pointer, request, fields) = (pointer, request, fields)
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        if let reason = exchange.begin(status, fields, count) { return reason }
        exchange.takeBegunHead { head in
            evg_asgi_keep_head(request, head.baseAddress?.assumingMemoryBound(to: UInt8.self), head.count)
        }
        return nil
    }
}

@_cdecl("evg_swift_asgi_respond")
public func asgiRespond(
    _ pointer: UnsafeMutableRawPointer, _ head: evg_py_text, _ body: evg_py_text, _ isLast: Bool
) -> evg_asgi_send_outcome {
    nonisolated(unsafe) let (pointer, head, body) = (pointer, head, body)
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        if exchange.isGone { return EVG_ASGI_GONE }
        exchange.putBegunHead(UnsafeRawBufferPointer(head))
        do throws(HTTP1Error) {
            if isLast {
                try exchange.sendComplete(body: UnsafeRawBufferPointer(body))
                return EVG_ASGI_SENT
            }
            try exchange.sendHead()
        } catch {
            exchange.refuseHead(error)
            return EVG_ASGI_GONE
        }
        return body.count == 0 ? EVG_ASGI_SENT : exchange.write(UnsafeRawBufferPointer(body)).outcome
    }
}

@_cdecl("evg_swift_asgi_write")
public func asgiWrite(
    _ pointer: UnsafeMutableRawPointer, _ body: evg_py_text, _ isLast: Bool
) -> evg_asgi_send_outcome {
    nonisolated(unsafe) let (pointer, body) = (pointer, body)
    return LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        if exchange.isGone { return EVG_ASGI_GONE }
        var outcome = EVG_ASGI_SENT
        if body.count > 0 { outcome = exchange.write(UnsafeRawBufferPointer(body)).outcome }
        guard isLast, outcome != EVG_ASGI_GONE else { return outcome }
        exchange.finish()
        return EVG_ASGI_SENT
    }
}

extension Exchange.WriteResult {
    fileprivate var outcome: evg_asgi_send_outcome {
        switch self {
        case .ok: EVG_ASGI_SENT
        case .full: EVG_ASGI_FULL
        case .gone: EVG_ASGI_GONE
        }
    }
}

@_cdecl("evg_swift_asgi_send_file")
public func asgiSendFile(
    _ pointer: UnsafeMutableRawPointer, _ request: OpaquePointer, _ head: evg_py_text, _ file: Int32, _ size: Int64
) {
    nonisolated(unsafe) let (pointer, request, head) = (pointer, request, head)
    LoopActor.assumeIsolated {
        let exchange = exchange(pointer)
        exchange.putBegunHead(UnsafeRawBufferPointer(head))
        do throws(HTTP1Error) {
            try exchange.sendHead(contentLength: UInt64(clamping: size))
        } catch {
            exchange.refuseHead(error)
        }
        // C keeps the request, and with it the exchange, until it has heard of the end.
        Task(executorPreference: LoopExecutor.shared) { @LoopActor in
            var code: Int32 = 0
            do {
                try await exchange.sendFile(fileDescriptor: file, offset: 0, count: Int(size))
                exchange.finish()
            } catch {
                code = (error as? SystemError)?.errno ?? -1
            }
            close(file)
            evg_asgi_file_sent(request, code)
        }
    }
}

// MARK: - The rest

@_cdecl("evg_swift_asgi_is_gone")
public func asgiIsGone(_ pointer: UnsafeMutableRawPointer) -> Bool {
    nonisolated(unsafe) let pointer = pointer
    return LoopActor.assumeIsolated { exchange(pointer).isGone }
}

@_cdecl("evg_swift_asgi_is_drained")
public func asgiIsDrained(_ pointer: UnsafeMutableRawPointer) -> Bool {
    nonisolated(unsafe) let pointer = pointer
    return LoopActor.assumeIsolated { exchange(pointer).isDrained }
}

@_cdecl("evg_swift_asgi_deadline")
public func asgiDeadline(_ pointer: UnsafeMutableRawPointer) -> Double {
    nonisolated(unsafe) let pointer = pointer
    return LoopActor.assumeIsolated { exchange(pointer).deadline - EventLoop.monotonicNow() }
}

@_cdecl("evg_swift_asgi_set_deadline")
public func asgiSetDeadline(_ pointer: UnsafeMutableRawPointer, _ seconds: Double) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated { exchange(pointer).deadline = EventLoop.monotonicNow() + seconds }
}

@_cdecl("evg_swift_asgi_end")
public func asgiEnd(_ pointer: UnsafeMutableRawPointer, _ failed: Bool) {
    nonisolated(unsafe) let pointer = pointer
    LoopActor.assumeIsolated {
        let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue()
        if failed { exchange.fail() }
        exchange.taskEnded()
    }
}

@_cdecl("evg_swift_asgi_started")
public func asgiStarted(_ message: evg_py_text, _ details: evg_py_text) {
    let reason = String(decoding: UnsafeRawBufferPointer(message), as: UTF8.self)
    let details = String(decoding: UnsafeRawBufferPointer(details), as: UTF8.self)
    LoopActor.assumeIsolated {
        let error = ApplicationError(
            reason, exitCode: ApplicationError.bootFailure, details: details.isEmpty ? nil : details)
        ASGIApplication.current?.startupEnded(reason.isEmpty ? nil : error)
    }
}

@_cdecl("evg_swift_asgi_time_left")
public func asgiTimeLeft() -> Double {
    LoopActor.assumeIsolated { (ASGIApplication.current?.leavesBefore ?? .infinity) - EventLoop.monotonicNow() }
}

@_cdecl("evg_swift_asgi_note")
public func asgiNote(_ line: evg_py_text) {
    let text = String(decoding: UnsafeRawBufferPointer(line), as: UTF8.self)
    LoopActor.assumeIsolated { ASGIApplication.current?.logger.info("\(text)") }
}

// The bus for Python. On any thread of the app, which never waits for the loop: a subscription has a descriptor that is
// readable while something has come.

public import CPythonBridge
import EvHost
import EvLoop
import Synchronization

private struct PythonSubscription: Sendable {
    let subscription: AppSubscription
    let inbox: AppInbox
    let wake: WakeDescriptor
}

private struct PythonSubscriptions {
    var last: Int64 = 0
    var all: [Int64: PythonSubscription] = [:]
}

private let subscriptions = Mutex(PythonSubscriptions())

@_cdecl("evg_swift_bus_publish")
public func busPublish(_ channel: evg_py_text, _ payload: evg_py_text) -> evg_py_published {
    switch AppBus.publish(Array(UnsafeRawBufferPointer(channel)), Array(UnsafeRawBufferPointer(payload))) {
    case .published: EVG_PY_PUBLISHED
    case .tooLong: EVG_PY_REFUSED_ITEM
    case .noWorker: EVG_PY_NO_WORKER
    }
}

/// Returns the number of the subscription; 0 if there can be none. The descriptor stays the subscription's.
@_cdecl("evg_swift_bus_subscribe")
public func busSubscribe(_ channel: evg_py_text, _ most: Int, _ descriptor: UnsafeMutablePointer<Int32>?) -> Int64 {
    guard let wake = try? WakeDescriptor() else { return 0 }
    let inbox = AppInbox(most: most) { wake.signal() }
    guard let subscription = AppBus.subscribe(Array(UnsafeRawBufferPointer(channel)), inbox) else { return 0 }
    descriptor?.pointee = wake.fileDescriptor
    return subscriptions.withLock { subscriptions in
        subscriptions.last += 1
        subscriptions.all[subscriptions.last] = PythonSubscription(
            subscription: subscription, inbox: inbox, wake: wake)
        return subscriptions.last
    }
}

/// Calls for each message that has come, until one call returns false.
@_cdecl("evg_swift_bus_take")
public func busTake(
    _ number: Int64, _ add: (@convention(c) (_ context: UnsafeMutableRawPointer?, evg_py_text, Int) -> Bool)?,
    _ context: UnsafeMutableRawPointer?
) {
    guard let add, let subscription = subscriptions.withLock({ $0.all[number] }) else { return }
    // First this: what comes meanwhile signals again.
    subscription.wake.clear()
    for message in subscription.inbox.take() {
        let goesOn = message.payload.withUnsafeBytes { bytes in
            add(
                context, evg_py_text(base: bytes.bindMemory(to: UInt8.self).baseAddress, count: bytes.count),
                message.missed)
        }
        guard goesOn else { return }
    }
}

@_cdecl("evg_swift_bus_close")
public func busClose(_ number: Int64) {
    subscriptions.withLock { $0.all.removeValue(forKey: number) }?.subscription.close()
}

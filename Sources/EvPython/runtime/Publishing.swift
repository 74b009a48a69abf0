// What Python publishes. On any thread of the app, which never waits for the loop.

public import CPythonBridge
import EvHost
import GRIP

@_cdecl("evg_swift_publish")
public func publish(
    _ item: evg_py_text, _ reason: UnsafeMutablePointer<CChar>?, _ capacity: Int
) -> evg_py_published {
    do throws(GRIPError) {
        let item = try Item(json: Array(UnsafeRawBufferPointer(item)))
        return try Publishing.publish(item) ? EVG_PY_PUBLISHED : EVG_PY_NO_WORKER
    } catch {
        error.write(to: reason, capacity)
        return EVG_PY_REFUSED_ITEM
    }
}

extension GRIPError {
    /// Writes the text for C, not cut in the middle of a character.
    func write(to room: UnsafeMutablePointer<CChar>?, _ capacity: Int) {
        guard let room, capacity > 0 else { return }
        var text = text
        while text.utf8.count >= capacity { text.removeLast() }
        UnsafeMutableRawBufferPointer(start: room, count: capacity).copyBytes(from: text.utf8 + [0])
    }
}

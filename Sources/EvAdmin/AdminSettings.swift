// What the admin process knows of the server's configuration, as it was when the process was started.

package import EvBus

package struct AdminSettings: Sendable {
    /// Asked of whoever comes over TCP; nil for none.
    package var token: String?
    /// The hosts of `--admin-bind`, by which it may be asked over TCP without a token.
    package var names: [String] = []
    package var version = ""
    /// What is served: `module:attr`, or the program.
    package var application = ""
    package var workerClass = ""
    /// Of a worker.
    package var connections = 0

    package var publishing = PublishSettings()
    /// The Redis by which servers send each other messages; nil for none.
    package var redis: RedisAddress?

    package init() {}
}

/// The same of publishing.
package struct PublishSettings: Sendable {
    /// Asked of whoever comes over TCP: a token that the key has signed, or this one; nil for none.
    package var key: String?
    package var token: String?
    /// As in ``AdminSettings``.
    package var names: [String] = []
    /// Bytes of a request.
    package var limit = 0
}

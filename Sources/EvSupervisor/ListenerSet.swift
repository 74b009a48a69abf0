// The listening sockets of a master: one per address that all workers share, or, where SO_REUSEPORT is wanted, one per
// address and worker index. The master keeps them while it lives: the queue of a closed socket would be lost.
package import EvLoop

package struct ListenerSet {
    private let backlog: Int32
    /// For every worker.
    private(set) var shared: [ListeningSocket] = []
    /// By worker index, one socket per address; index 0 is the model for the others.
    private(set) var own: [Int: [ListeningSocket]] = [:]

    /// Opens every address.
    ///
    /// - Throws: for the first that cannot be used; the others are closed then, and their files removed.
    package init(_ addresses: [BindAddress], backlog: Int32, reusePort: Bool) throws(BindAddressError) {
        self.backlog = backlog
        for address in addresses {
            do throws(BindAddressError) {
                if reusePort, case .tcp = address {
                    own[0, default: []].append(try .open(address, backlog: backlog, reusePort: true))
                } else {
                    shared.append(try .open(address, backlog: backlog))
                }
            } catch {
                removeFiles()
                close()
                throw error
            }
        }
    }

    /// One socket per address, for the log.
    package var addresses: [ListeningSocket] { shared + (own[0] ?? []) }

    /// The sockets of one worker, opened when it is the first with this index.
    package mutating func sockets(forWorker index: Int) throws(BindAddressError) -> [ListeningSocket] {
        if own[index] == nil, let models = own[0] {
            var opened: [ListeningSocket] = []
            for model in models {
                do throws(BindAddressError) {
                    opened.append(try model.openSibling(backlog: backlog))
                } catch {
                    for socket in opened { socket.close() }
                    throw error
                }
            }
            own[index] = opened
        }
        return shared + (own[index] ?? [])
    }

    /// Closes what belongs to one index alone.
    package mutating func close(index: Int) {
        for socket in own.removeValue(forKey: index) ?? [] { socket.close() }
    }

    /// In a worker: closes what belongs to others.
    package mutating func keepOnly(index: Int) {
        for other in Array(own.keys) where other != index { close(index: other) }
    }

    package mutating func close() {
        for socket in shared + own.values.joined() { socket.close() }
        shared = []
        own = [:]
    }

    package func removeFiles() {
        for socket in shared { socket.removeFile() }
    }
}

// The listening sockets of a master: one per address that all workers share, or, where SO_REUSEPORT is wanted, one per
// address and worker index. The master never closes them: connections in the queue of a closed socket would be lost.
package import EvLoop

package struct ListenerSet {
    private let backlog: Int32
    /// For every worker.
    private(set) var shared: [ListeningSocket] = []
    /// By worker index, one socket per address. The sockets of other indices are opened like those of index 0.
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

    /// Closes the sockets that only one index uses.
    package mutating func close(index: Int) {
        for socket in own.removeValue(forKey: index) ?? [] { socket.close() }
    }

    /// In a worker: closes the sockets of other indices.
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

// The listening sockets of a master: one per address that all workers share, or, where SO_REUSEPORT is wanted, one per
// address and worker index. The master closes none from which a worker accepts: connections in the queue of a closed
// socket would be lost. So an address that a reload has removed stays open until the last worker that has it leaves.
package import EvLoop
import Glibc

package struct ListenerSet {
    /// One address and its sockets.
    private struct Listener {
        let address: BindAddress
        /// Whether every worker has the same socket, or each index its own.
        let isShared: Bool
        /// By worker index; a shared one has the index 0.
        var sockets: [Int: ListeningSocket]
        /// The ages of the workers that may have it.
        var ages: Range<Int>

        /// Any of the sockets: all have the same address.
        var model: ListeningSocket? { sockets.min { $0.key < $1.key }?.value }

        func close() {
            for socket in sockets.values { socket.close() }
        }

        func removeFile() {
            if isShared { model?.removeFile() }
        }
    }

    private var backlog: Int32
    private var options: ListeningOptions
    private let reusePort: Bool
    /// In the order of the configuration.
    private var current: [Listener] = []
    /// Of addresses that are not in the configuration any more.
    private var former: [Listener] = []

    /// Opens every address.
    ///
    /// - Throws: for the first that cannot be used; the others are closed then, and their files removed.
    package init(
        _ addresses: [BindAddress], backlog: Int32, reusePort: Bool, options: ListeningOptions = ListeningOptions()
    ) throws(BindAddressError) {
        self.backlog = backlog
        self.options = options
        self.reusePort = reusePort
        _ = try change(to: addresses, backlog: backlog, options: options, nextAge: 0)
    }

    /// One socket per address, for the log.
    package var addresses: [ListeningSocket] { current.compactMap(\.model) }

    /// The sockets of one worker, opened when it is the first with this index.
    package mutating func sockets(forWorker index: Int) throws(BindAddressError) -> [ListeningSocket] {
        var opened: [ListeningSocket?] = []
        for listener in current {
            guard !listener.isShared, listener.sockets[index] == nil, let model = listener.model else {
                opened.append(nil)
                continue
            }
            do throws(BindAddressError) {
                opened.append(try model.openSibling(backlog: backlog, options: options))
            } catch {
                for socket in opened { socket?.close() }
                throw error
            }
        }
        for (position, socket) in opened.enumerated() where socket != nil { current[position].sockets[index] = socket }
        return current.compactMap { $0.sockets[$0.isShared ? 0 : index] }
    }

    // MARK: changed addresses

    /// Opens the addresses that are new, and gives workers that are started from now on no others than `addresses`.
    /// An address that stays, or that comes back before its last worker has left, keeps its sockets.
    ///
    /// - Parameters:
    ///   - options: of all sockets. Without a mode, the files that are there keep theirs.
    ///   - nextAge: the age of the next worker.
    /// - Returns: what has been opened, one socket per address.
    /// - Throws: for the first that cannot be used; nothing has changed then.
    package mutating func change(
        to addresses: [BindAddress], backlog: Int32, options: ListeningOptions = ListeningOptions(), nextAge: Int
    ) throws(BindAddressError) -> [ListeningSocket] {
        var (current, former) = (current, former)
        var (next, opened): ([Listener], [Listener]) = ([], [])
        for address in addresses {
            // The same address may stand there twice: with port 0 that makes two sockets.
            if let position = current.firstIndex(where: { $0.address == address }) {
                next.append(current.remove(at: position))
            } else if let position = former.firstIndex(where: { $0.address == address }) {
                var listener = former.remove(at: position)
                listener.ages = listener.ages.lowerBound..<Int.max
                next.append(listener)
            } else {
                do throws(BindAddressError) {
                    let listener = try open(address, backlog: backlog, options: options, nextAge: nextAge)
                    next.append(listener)
                    opened.append(listener)
                } catch {
                    for listener in opened {
                        listener.removeFile()
                        listener.close()
                    }
                    throw error
                }
            }
        }
        for var listener in current {
            listener.ages = listener.ages.lowerBound..<nextAge
            former.append(listener)
        }
        (self.current, self.former) = (next, former)
        if backlog != self.backlog { setBacklog(backlog) }
        if options != self.options { set(options) }
        return opened.compactMap(\.model)
    }

    private func open(
        _ address: BindAddress, backlog: Int32, options: ListeningOptions, nextAge: Int
    ) throws(BindAddressError) -> Listener {
        var isShared = true
        if reusePort, case .tcp = address { isShared = false }
        let socket = try ListeningSocket.open(address, backlog: backlog, reusePort: !isShared, options: options)
        return Listener(address: address, isShared: isShared, sockets: [0: socket], ages: nextAge..<Int.max)
    }

    /// listen(2) on a socket that listens already changes the length of its queue only.
    private mutating func setBacklog(_ backlog: Int32) {
        self.backlog = backlog
        for listener in current {
            // Whoever has passed an inherited socket on has chosen its backlog.
            if case .inherited = listener.address { continue }
            for socket in listener.sockets.values { _ = listen(socket.fileDescriptor, backlog) }
        }
    }

    private mutating func set(_ options: ListeningOptions) {
        for listener in current {
            listener.model?.setFile(options)
            for socket in listener.sockets.values { socket.set(options.tcp, after: self.options.tcp) }
        }
        self.options = options
    }

    /// Whether a worker of this age may have a socket that its successors do not get.
    package func hasFormer(forAge age: Int) -> Bool {
        former.contains { $0.ages.contains(age) }
    }

    /// Closes the sockets of former addresses from which no worker accepts any more, and removes their files. A worker
    /// that leaves has its own copy, from which it takes what waits.
    ///
    /// - Parameter isServed: returns true if a worker of one of these ages accepts connections, and has this index if
    ///   one is given.
    /// - Returns: one socket, closed now, per address that is given up.
    package mutating func closeFormer(unless isServed: (Range<Int>, Int?) -> Bool) -> [ListeningSocket] {
        var given: [ListeningSocket] = []
        for position in former.indices.reversed() {
            let (listener, model) = (former[position], former[position].model)
            // Each index has a queue of its own, which fills while any socket of the address is open.
            for (index, socket) in listener.sockets where !isServed(listener.ages, listener.isShared ? nil : index) {
                former[position].sockets[index] = nil
                if listener.isShared { socket.removeFile() }
                socket.close()
            }
            guard former[position].sockets.isEmpty else { continue }
            former.remove(at: position)
            if let model { given.append(model) }
        }
        return given
    }

    // MARK: closing

    /// Closes the sockets that only one index uses.
    package mutating func close(index: Int) {
        for position in current.indices where !current[position].isShared {
            current[position].sockets.removeValue(forKey: index)?.close()
        }
    }

    /// In a worker: closes the sockets of other indices and those of former addresses.
    package mutating func keepOnly(index: Int) {
        for position in current.indices where !current[position].isShared {
            for (other, socket) in current[position].sockets where other != index {
                current[position].sockets[other] = nil
                socket.close()
            }
        }
        for listener in former { listener.close() }
        former = []
    }

    package mutating func close() {
        for listener in current + former { listener.close() }
        current = []
        former = []
    }

    package func removeFiles() {
        for listener in current + former { listener.removeFile() }
    }
}

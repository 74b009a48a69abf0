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
    /// Closed; their files are removed at the end, or stay for another master.
    private var closed: [Listener] = []
    /// What the former master has passed on and this configuration does not name.
    private var unclaimed: [ListeningSocket] = []

    /// Opens every address, or takes its sockets over.
    ///
    /// - Throws: for the first that cannot be used; the others are closed then, and their files removed.
    package init(
        _ addresses: [BindAddress], backlog: Int32, reusePort: Bool, options: ListeningOptions = ListeningOptions(),
        handover: Handover? = nil
    ) throws(BindAddressError) {
        self.backlog = backlog
        self.options = options
        self.reusePort = reusePort
        var handed = handover?.sockets ?? []
        var opened: [Listener] = []
        for address in addresses {
            if let listener = try takeOver(address, from: &handed) { opened.append(listener) }
        }
        current = opened
        _ = try change(to: addresses, backlog: backlog, options: options, nextAge: 0)
        if handover != nil {
            setBacklog(backlog)
            set(options)
        }
        for socket in handed { giveUp(socket) }
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

    // MARK: another master

    /// What the next master gets.
    package var handedOver: [Handover.Socket] {
        current.flatMap { listener in
            listener.sockets.sorted { $0.key < $1.key }.map { index, socket in
                Handover.Socket(
                    fileDescriptor: socket.fileDescriptor, index: listener.isShared ? nil : index,
                    address: listener.address.text, file: socket.file)
            }
        }
    }

    /// The sockets of an address that the former master has listened to, without a break. Nil if there are none.
    private func takeOver(
        _ address: BindAddress, from handed: inout [Handover.Socket]
    ) throws(BindAddressError) -> Listener? {
        guard let first = handed.first(where: { $0.address == address.text }) else { return nil }
        var sockets: [Int: ListeningSocket] = [:]
        for socket in handed where socket.address == address.text && sockets[socket.index ?? 0] == nil {
            // The same address may stand there twice.
            guard (socket.index == nil) == (first.index == nil) else { continue }
            sockets[socket.index ?? 0] = try .takeOver(socket.fileDescriptor, of: address, file: socket.file)
        }
        handed.removeAll { socket in sockets.values.contains { $0.fileDescriptor == socket.fileDescriptor } }
        return Listener(address: address, isShared: first.index == nil, sockets: sockets, ages: 0..<Int.max)
    }

    /// The former master goes on serving it.
    private mutating func giveUp(_ handed: Handover.Socket) {
        guard let address = try? BindAddress(parsing: handed.address),
            let socket = try? ListeningSocket.takeOver(handed.fileDescriptor, of: address, file: handed.file)
        else { return Socket.close(handed.fileDescriptor) }
        socket.close()
        unclaimed.append(socket)
    }

    /// To be called when the former master has ended: it has left the files to this one.
    package mutating func removeUnclaimedFiles() {
        for socket in unclaimed { socket.removeFile() }
        unclaimed = []
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
    /// - Parameters:
    ///   - removingFiles: false leaves them to another master on the same sockets.
    ///   - isServed: returns true if a worker of one of these ages accepts connections, and has this index if
    ///     one is given.
    /// - Returns: one socket, closed now, per address that is given up.
    package mutating func closeFormer(
        removingFiles: Bool = true, unless isServed: (Range<Int>, Int?) -> Bool
    ) -> [ListeningSocket] {
        var given: [ListeningSocket] = []
        for position in former.indices.reversed() {
            let (listener, model) = (former[position], former[position].model)
            // Each index has a queue of its own, which fills while any socket of the address is open.
            for (index, socket) in listener.sockets where !isServed(listener.ages, listener.isShared ? nil : index) {
                former[position].sockets[index] = nil
                if listener.isShared, removingFiles { socket.removeFile() }
                socket.close()
            }
            guard former[position].sockets.isEmpty else { continue }
            former.remove(at: position)
            if let model { given.append(model) }
        }
        return given
    }

    // MARK: closing

    /// The files stay until ``removeFiles()``.
    package mutating func close() {
        for listener in current + former { listener.close() }
        closed += current + former
        current = []
        former = []
    }

    package func removeFiles() {
        for listener in current + former + closed { listener.removeFile() }
    }

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
}

// Parcels: descriptors that move to another process, with the bytes that say what they are. They keep their order with
// the messages, and they are never dropped: one that cannot be sent comes back.

import EvLoop

extension Bus {
    /// Descriptors that one parcel may have; one more is kept for bytes that are many.
    nonisolated package static let mostDescriptors = Mailbox.mostRights - 1

    /// Sends bytes and descriptors to the process of a place. The descriptors belong to the bus from here on: it closes
    /// them when they are sent, and gives them to ``onParcelReturned`` if the process ends before.
    ///
    /// - Returns: false, and then the caller still owns them, if nobody is there or they are too many.
    @discardableResult
    package func send(parcel bytes: [UInt8], descriptors: [Int32], to place: Int) -> Bool {
        guard let seat, !isClosed, place != seat.place, seat.ground.isLive(place),
            descriptors.count <= Self.mostDescriptors, bytes.count <= Self.largestPayload, let link = link(to: place)
        else { return false }
        link.send(parcel: bytes, descriptors)
        return true
    }

    /// How many bytes wait for the process of a place, because it does not read.
    package func waitingBytes(for place: Int) -> Int { existingLink(to: place)?.waitingBytes ?? 0 }

    func take(
        parcel header: PacketHeader, _ rest: UnsafeRawBufferPointer, _ rights: inout [Int32], _ isCut: Bool
    ) {
        if isCut { statistics.cutParcels &+= 1 }
        var bytes = Array(rest)
        if header.value > 0 {
            guard header.value <= UInt64(Self.largestPayload), let file = rights.first,
                let read = SharedFile.read(file, count: Int(header.value))
            else { return }
            bytes = read
            Socket.close(rights.removeFirst())
        }
        let parcel = BusParcel(bytes: bytes, descriptors: rights, sender: header.sender, isCut: isCut)
        rights = []
        parcelsWaiting.append(parcel)
        deliverParcels()
    }

    func deliverParcels() {
        guard let onParcel else { return }
        while !parcelsWaiting.isEmpty {
            let parcels = parcelsWaiting
            parcelsWaiting = []
            for parcel in parcels { onParcel(parcel) }
        }
    }

    /// Later, so that whoever sends is not called in the middle of it.
    func parcelReturns(_ bytes: [UInt8], _ descriptors: [Int32], _ place: Int) {
        LoopExecutor.shared.later { [weak self] in
            LoopActor.assumeIsolated {
                if let handler = self?.onParcelReturned { return handler(bytes, descriptors, place) }
                for descriptor in descriptors { Socket.close(descriptor) }
            }
        }
    }
}

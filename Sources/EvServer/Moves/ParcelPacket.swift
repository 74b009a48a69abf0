// Parcels as they travel: many in one packet, each with its descriptor, in the same order. One that is too long for a
// packet rides in a file in memory, behind the descriptor of its connection.

import EvLoop
import Glibc

package struct ParcelPacket {
    /// Of records in one packet; what carries it may add a head of its own.
    package static let room = 30_000
    private static let inFile = UInt32.max

    package private(set) var bytes: [UInt8] = []
    /// Those of the connections belong to whoever has added them; that of a file is this packet's.
    package private(set) var descriptors: [Int32] = []
    private var file: Int32?

    package init() {}

    package var isEmpty: Bool { descriptors.isEmpty }
    package var isFull: Bool { file != nil || descriptors.count == Packet.mostDescriptors }

    /// Whether the parcel goes with this packet. If not, another packet may have room for it: an empty one has room for
    /// every parcel, unless there is no descriptor or memory for a file.
    package mutating func add(_ parcel: Parcel, _ descriptor: Int32) -> Bool {
        guard !isFull, parcel.size <= Parcel.largest else { return false }
        guard bytes.count + parcel.size + 4 <= Self.room else { return isEmpty && addInFile(parcel, descriptor) }
        let start = bytes.count
        bytes.append(length: 0)
        parcel.write(to: &bytes)
        let count = UInt32(clamping: bytes.count - start - 4).littleEndian
        bytes.withUnsafeMutableBytes { $0.storeBytes(of: count, toByteOffset: start, as: UInt32.self) }
        descriptors.append(descriptor)
        return true
    }

    private mutating func addInFile(_ parcel: Parcel, _ descriptor: Int32) -> Bool {
        var record: [UInt8] = []
        record.reserveCapacity(parcel.size)
        parcel.write(to: &record)
        guard let file = try? TemporaryFile.openInMemory() else { return false }
        var written = 0
        while written < record.count {
            let count = record[written...].withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, off_t(written)) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else {
                Socket.close(file)
                return false
            }
            written += count
        }
        self.file = file
        bytes.append(length: Int(Self.inFile))
        descriptors = [descriptor, file]
        return true
    }

    /// To be called when the packet has been sent, or will not be.
    package func discard() { if let file { Socket.close(file) } }

    // MARK: the other end

    /// Calls for each parcel with its descriptor, which is the callee's from then on. Closes the descriptors for which
    /// there is no parcel.
    ///
    /// - Returns: parcels whose descriptors have not come, because this process may open no more files.
    package static func read(
        _ bytes: UnsafeRawBufferPointer, descriptors: [Int32], _ body: (Parcel, Int32) -> Void
    ) -> Int {
        var reader = ParcelReader(bytes)
        var next = 0
        var lost = 0
        while let length = reader.length() {
            if length == Int(Self.inFile) {
                guard let connection = descriptors.first else { return 1 }
                next = descriptors.count
                guard descriptors.count > 1, let parcel = read(file: descriptors[1]) else {
                    for descriptor in descriptors { Socket.close(descriptor) }
                    return 1
                }
                for descriptor in descriptors[1...] { Socket.close(descriptor) }
                body(parcel, connection)
                break
            }
            guard let record = reader.bytes(length), let parcel = Parcel(record) else { break }
            guard next < descriptors.count else {
                lost += 1
                continue
            }
            next += 1
            body(parcel, descriptors[next - 1])
        }
        for descriptor in descriptors[next...] { Socket.close(descriptor) }
        return lost
    }

    private static func read(file: Int32) -> Parcel? {
        var status = stat()
        guard fstat(file, &status) == 0, status.st_size > 0, status.st_size <= Parcel.largest else { return nil }
        let size = Int(status.st_size)
        let record = [UInt8](unsafeUninitializedCapacity: size) { room, initialized in
            while initialized < size {
                let count = pread(
                    file, room.baseAddress.map { $0 + initialized }, size - initialized, off_t(initialized))
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { return }
                initialized += count
            }
        }
        return record.withUnsafeBytes { Parcel($0) }
    }
}

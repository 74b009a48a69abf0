// The servers that run on this machine and answer for themselves: an admin process says in its title where it listens.

package import EvLoop
import Glibc

package struct RunningServer: Equatable, Sendable {
    package let master: Int32
    package let admin: Int32
    /// `app:app`, as the title of the master has it. Printable.
    package let application: String
    package let addresses: [BindAddress]
}

package struct RunningServers {
    private let root: String

    /// - Parameter root: where proc(5) is.
    package init(root: String = "/proc") { self.root = root }

    static let adminTitle = "evgateway: admin at "
    static let masterTitle = "evgateway: master ["

    /// Those whose master belongs to `user`, by the id of the master.
    ///
    /// Who is somebody else's is left out: anybody can give a process such a title, and would be shown the token.
    package func all(of user: UInt32) -> [RunningServer] {
        processes.compactMap { server($0) }.filter { owner(of: $0.master) == user }.sorted { $0.master < $1.master }
    }

    /// The server whose master, or admin process, has this id; nil if there is none with an admin process.
    package func server(of pid: Int32) -> RunningServer? {
        if let server = server(pid) { return server }
        for process in processes where parent(of: process) == pid {
            if let server = server(process) { return server }
        }
        return nil
    }

    /// Whether the process is a master, with an admin process or without.
    package func isMaster(_ pid: Int32) -> Bool { title(of: pid)?.hasPrefix(Self.masterTitle) ?? false }

    package func exists(_ pid: Int32) -> Bool { access("\(root)/\(pid)", F_OK) == 0 }

    /// Masters of the user that have no admin process.
    package func mute(of user: UInt32) -> [Int32] {
        let masters = processes.filter { isMaster($0) && owner(of: $0) == user }
        let answering = Set(all(of: user).map(\.master))
        return masters.filter { !answering.contains($0) }.sorted()
    }

    // MARK: proc(5)

    private func server(_ pid: Int32) -> RunningServer? {
        guard let title = title(of: pid), title.hasPrefix(Self.adminTitle), isNear(pid), let master = parent(of: pid)
        else { return nil }
        let addresses = title.dropFirst(Self.adminTitle.utf8.count).split(separator: ",").compactMap { text in
            (try? BindAddress(parsing: String(text))).map { absolute($0, of: pid) }
        }
        guard !addresses.isEmpty else { return nil }
        var name = self.title(of: master) ?? ""
        if name.hasPrefix(Self.masterTitle), name.hasSuffix("]") {
            name = String(name.dropFirst(Self.masterTitle.utf8.count).dropLast())
        }
        return RunningServer(
            master: master, admin: pid, application: Printable.text(name.isEmpty ? "?" : name), addresses: addresses)
    }

    private var processes: [Int32] {
        guard let folder = opendir(root) else { return [] }
        defer { closedir(folder) }
        var found: [Int32] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let pid = Int32(name) { found.append(pid) }
        }
        return found
    }

    private func title(of pid: Int32) -> String? {
        read("\(root)/\(pid)/cmdline").map { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    /// The fourth field of stat, behind a name in brackets that may have any character.
    private func parent(of pid: Int32) -> Int32? {
        guard let bytes = read("\(root)/\(pid)/stat"), let end = bytes.lastIndex(of: UInt8(ascii: ")")) else {
            return nil
        }
        let fields = bytes[(end + 1)...].split(separator: UInt8(ascii: " "))
        guard fields.count > 1 else { return nil }
        return Int32(String(decoding: fields[1], as: UTF8.self))
    }

    private func owner(of pid: Int32) -> UInt32? {
        var status = stat()
        return stat("\(root)/\(pid)", &status) == 0 ? status.st_uid : nil
    }

    /// Whether its network is this process's. What cannot be read is taken to be.
    private func isNear(_ pid: Int32) -> Bool {
        guard let theirs = link("\(root)/\(pid)/ns/net"), let own = link("\(root)/self/ns/net") else { return true }
        return theirs == own
    }

    /// A socket file as this process reaches it, whatever folders the server sees.
    private func absolute(_ address: BindAddress, of pid: Int32) -> BindAddress {
        guard case .unix(var path) = address else { return address }
        if !path.hasPrefix("/"), let folder = link("\(root)/\(pid)/cwd") { path = "\(folder)/\(path)" }
        if let theirs = link("\(root)/\(pid)/ns/mnt"), let own = link("\(root)/self/ns/mnt"), theirs != own {
            path = "\(root)/\(pid)/root\(path)"
        }
        return .unix(path: path)
    }

    private func link(_ path: String) -> String? {
        withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) { buffer in
            guard let text = buffer.baseAddress else { return nil }
            let count = readlink(path, text, buffer.count)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
    }

    private func read(_ path: String) -> [UInt8]? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        return [UInt8](unsafeUninitializedCapacity: 65_536) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
    }
}

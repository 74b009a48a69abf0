// Users and groups by their names (getpwnam(3), getgrnam(3)).
import Glibc

package enum Accounts {
    package struct User: Equatable, Sendable {
        package let id: UInt32
        package let name: String
        package let group: UInt32
    }

    package static func user(named name: String) -> User? {
        getpwnam(name).map { User($0.pointee) }
    }

    package static func user(_ id: UInt32) -> User? {
        getpwuid(id).map { User($0.pointee) }
    }

    package static func group(named name: String) -> UInt32? {
        getgrnam(name)?.pointee.gr_gid
    }

    /// All groups of a user, `group` among them.
    package static func groups(of name: String, with group: UInt32) -> [UInt32] {
        var count: Int32 = 64
        while true {
            var groups = [gid_t](repeating: 0, count: Int(count))
            let room = count
            if getgrouplist(name, group, &groups, &count) >= 0 { return Array(groups.prefix(Int(count))) }
            // It has said how many there are.
            guard count > room, count <= 65_536 else { return [group] }
        }
    }
}

extension Accounts.User {
    fileprivate init(_ entry: passwd) {
        self.init(id: entry.pw_uid, name: String(cString: entry.pw_name), group: entry.pw_gid)
    }
}

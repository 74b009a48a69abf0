// The user and the groups that a process of root takes on, for good or for a look at files.
import CEvLoop

package struct Credentials: Equatable, Sendable {
    package let user: UInt32
    package let group: UInt32
    /// The supplementary groups.
    package let groups: [UInt32]

    package init(user: UInt32, group: UInt32, groups: [UInt32]) {
        self.user = user
        self.group = group
        self.groups = groups
    }

    /// Makes the calling process, which must have one thread, that of this user for good, without any capability unless
    /// it is root.
    package func takeOn() throws(SystemError) {
        let result = evg_become_user(user, group, groups, groups.count)
        guard result == 0 else { throw SystemError("change to user \(user) and group \(group)", errno: -result) }
        let expectation = evg_expect_parents_end()
        guard expectation == 0 else { throw SystemError("prctl", errno: -expectation) }
    }

    /// Calls `body` while files are opened with the rights of this user. Where that is not possible, with those of the
    /// process.
    package func openingFiles<Result>(_ body: () -> Result) -> Result {
        var was = evg_groups()
        let isChanged = evg_use_files_as(user, group, groups, groups.count, &was) == 0
        defer {
            if isChanged, evg_use_files_as_before(&was) != 0 { fatalError("cannot take the groups of before back") }
        }
        return body()
    }
}

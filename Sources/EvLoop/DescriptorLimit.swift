// How many descriptors a process may have open at once (getrlimit(2)): a soft limit that it may raise up to a hard one.

import Glibc

/// The limits of this process, as they are now.
package struct DescriptorLimit: Equatable {
    package let soft: Int
    package let hard: Int

    package static var current: DescriptorLimit {
        var limit = rlimit()
        guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else {
            return DescriptorLimit(soft: 1024, hard: 1024)
        }
        return DescriptorLimit(soft: Int(clamping: limit.rlim_cur), hard: Int(clamping: limit.rlim_max))
    }

    /// Raises the soft limit to `count`, or to the hard limit if that is less. Never lowers it. Children inherit it.
    package static func raise(to count: Int) {
        let limit = current
        guard count > limit.soft else { return }
        var raised = rlimit(rlim_cur: rlim_t(min(count, limit.hard)), rlim_max: rlim_t(limit.hard))
        _ = setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised)
    }
}

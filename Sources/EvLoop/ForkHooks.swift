/// What a host runtime has to do around fork(2), for example CPython's `PyOS_BeforeFork` and its two counterparts.
package struct ForkHooks {
    package var before: () -> Void
    /// Runs also when the fork has failed.
    package var inParent: () -> Void
    package var inChild: () -> Void

    package init(
        before: @escaping () -> Void = {}, inParent: @escaping () -> Void = {}, inChild: @escaping () -> Void = {}
    ) {
        self.before = before
        self.inParent = inParent
        self.inChild = inChild
    }

    /// Forks, with `before` and `inParent` around it. The child calls `inChild` when it is ready for the host's code.
    ///
    /// - Parameter held: as for ``Fork/fork(holding:)``.
    /// - Returns: the child's id; nil in the child.
    package func fork(holding held: [Int32] = []) throws(SystemError) -> Int32? {
        before()
        let child: Int32?
        do throws(SystemError) {
            child = try Fork.fork(holding: held)
        } catch {
            inParent()
            throw error
        }
        if child != nil { inParent() }
        return child
    }
}

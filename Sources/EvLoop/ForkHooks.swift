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
}

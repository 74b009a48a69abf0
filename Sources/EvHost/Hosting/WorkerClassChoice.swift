// What the host has chosen to be the worker class, and why.

package import EvSettings

/// A worker class and, if nobody asked for it by name, the reason why it was chosen.
package struct WorkerClassChoice: Equatable, Sendable {
    package let workerClass: WorkerClass
    /// The reason as the log shows it; nil if there was no choice.
    package let reason: String?
    /// False if the app could not be looked at, so that it may ask for another class once it can be loaded.
    package let isCertain: Bool

    package init(_ workerClass: WorkerClass, _ reason: String? = nil, isCertain: Bool = true) {
        self.workerClass = workerClass
        self.reason = reason
        self.isCertain = isCertain
    }
}

// What an exchange keeps for the access log alone. Most logs show none of it, and thousands of exchanges may wait: so
// it is an object that is made when there is something to keep.

import EvLoop

@LoopActor
final class LoggedValues {
    fileprivate var sentLines: [UInt8] = []
    fileprivate var variables: [UInt8] = []
}

extension Exchange {
    /// The field lines that were sent; kept only for an access log that shows some of them.
    var sentLines: [UInt8] {
        get { logged?.sentLines ?? [] }
        set { ownLogged.sentLines = newValue }
    }
    /// The values in the app's environ of the variables that the access log shows (`AccessLog.variables`), in their
    /// order, each ended by NUL; empty where there is no environ. Whoever has called the app sets it.
    package var loggedVariables: [UInt8] {
        get { logged?.variables ?? [] }
        set { ownLogged.variables = newValue }
    }
    private var ownLogged: LoggedValues {
        if let logged { return logged }
        let made = LoggedValues()
        logged = made
        return made
    }
}

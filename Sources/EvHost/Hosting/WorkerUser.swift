// `--user`, `--group` and `--initgroups`: whom the workers run as, and whose the files are that they meet again.
// As under gunicorn, the master stays root's: it opens sockets and logs, and reads the configuration.

import EvLoop
import EvSettings
import Glibc

extension Settings {
    /// Whom workers run as; nil if they run as the master does.
    ///
    /// - Throws: for an unknown name, and where this process may not change its user.
    func workerUser() throws(ConfigurationError) -> Credentials? {
        let configuration = configuration
        guard configuration.user != nil || configuration.group != nil || configuration.initializesGroups else {
            return nil
        }
        let (id, account) = try account(configuration.user)
        let user = id ?? geteuid()
        let group = try group(configuration.group, of: account, id)
        guard geteuid() == 0 else {
            if user != geteuid() { throw failure("user", "only root can change the user of the workers") }
            if group != getegid() { throw failure("group", "only root can change the group of the workers") }
            return nil
        }
        guard user != 0 || group != getegid() || configuration.initializesGroups else { return nil }
        var groups = [group]
        if configuration.initializesGroups {
            guard let account = account ?? Accounts.user(user) else {
                throw failure("initgroups", "user \(user) has no name, and so no groups")
            }
            groups = Accounts.groups(of: account.name, with: group)
        }
        return Credentials(user: user, group: group, groups: groups)
    }

    /// Owner and group of the files of Unix sockets.
    func socketOwner(_ worker: Credentials?) throws(ConfigurationError) -> FileOwner {
        guard let text = configuration.socketOwner else {
            return worker.map { FileOwner(user: $0.user, group: $0.group) } ?? FileOwner()
        }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        var owner = FileOwner()
        if let name = parts.first, !name.isEmpty {
            owner.user = try account(name, "socket_owner").id
            if parts.count == 1 { owner.group = worker?.group }
        }
        if parts.count > 1 { owner.group = try groupNumber(parts[1], "socket_owner") }
        return owner
    }

    private func account(
        _ text: String?, _ setting: String = "user"
    ) throws(ConfigurationError) -> (id: UInt32?, account: Accounts.User?) {
        guard let text else { return (nil, nil) }
        if let id = number(text) { return (id, Accounts.user(id)) }
        guard let account = Accounts.user(named: text) else { throw failure(setting, "there is no user '\(text)'") }
        return (account.id, account)
    }

    private func group(
        _ text: String?, of account: Accounts.User?, _ user: UInt32?
    ) throws(ConfigurationError) -> UInt32 {
        if let text { return try groupNumber(text, "group") }
        guard let user else { return getegid() }
        if user == geteuid() { return getegid() }
        guard let account else {
            throw failure("user", "user \(user) has no name, and so no group: write --group")
        }
        return account.group
    }

    private func groupNumber(_ text: String, _ setting: String) throws(ConfigurationError) -> UInt32 {
        if let id = number(text) { return id }
        guard let id = Accounts.group(named: text) else { throw failure(setting, "there is no group '\(text)'") }
        return id
    }

    /// The greatest one means "unchanged" to the kernel.
    private func number(_ text: String) -> UInt32? {
        guard text.allSatisfy({ $0.isASCII && $0.isNumber }), let number = UInt32(text) else { return nil }
        return number == .max ? nil : number
    }

    private func failure(_ setting: String, _ reason: String) -> ConfigurationError {
        ConfigurationError(label(of: setting), reason: reason)
    }
}

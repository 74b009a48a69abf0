// USR2 in both masters: the former one forks and executes the next, which finds the sockets in its environment, and
// takes the name of the pid file when the former one has ended.
import EvLoop
import Glibc
import Logging

extension Supervisor {
    // MARK: the former master

    /// Answers `.startMaster`.
    func startMaster() {
        guard let execute, let listeners else {
            return feed(.masterNotStarted(reason: "this program cannot execute itself again"))
        }
        let sockets = listeners.handedOver + (admin.listeners?.handedOver ?? [])
        let master = getpid()
        let ground = passGround()
        let channel: (own: Int32, next: Int32)?
        let pid: Int32?
        do throws(SystemError) {
            channel = commands.isUpgrading ? try PacketSocket.pair() : nil
        } catch {
            return feed(.masterNotStarted(reason: error.description))
        }
        do throws(SystemError) {
            pid = try forkHooks.fork()
        } catch {
            if let channel { for end in [channel.own, channel.next] { Socket.close(end) } }
            return feed(.masterNotStarted(reason: error.description))
        }
        guard let pid else {
            forkHooks.inChild()
            do {
                try hooks.preExec()
            } catch {
                logger.error("\(error)")
                Fork.exitChild(ExitCode.failure)
            }
            // The descriptors of this process are its own, so the master's stay closed for the programs that it starts.
            for socket in sockets { _ = fcntl(socket.fileDescriptor, F_SETFD, 0) }
            let passed = [channel?.next].compactMap(\.self) + (ground?.descriptors ?? [])
            for descriptor in passed { _ = fcntl(descriptor, F_SETFD, 0) }
            let handover = Handover(
                process: getpid(), master: master, sockets: sockets, channel: channel?.next, ground: ground)
            let code = execute(handover.text)
            logger.error("Cannot execute the next master: \(SystemError.message(code))")
            Fork.exitChild(ExitCode.failure)
        }
        if let channel {
            Socket.close(channel.next)
            listen(toNextMasterOn: channel.own)
        }
        feed(.masterStarted(pid: pid))
    }

    // MARK: the next master

    /// Asks the kernel for SIGCHLD when the former master ends.
    func watchFormerMaster() {
        guard state.hasFormerMaster else { return }
        Fork.tellOfParentsEnd(SIGCHLD)
        noticeFormerMaster()
    }

    func noticeFormerMaster() {
        if state.hasFormerMaster, getppid() != handover?.master { enqueue(.formerMasterEnded) }
    }

    /// Sockets that have been opened in one way cannot be used in the other.
    func keepReusePort() {
        guard let used = handover?.usesReusePort, used != configuration.reusePort else { return }
        logger.warning("--reuse-port takes effect at the next start")
        configuration.reusePort = used
    }

    /// Of workers that the former master has and this one has not: connections would wait there for nobody.
    func closeSurplusSockets() {
        let indices = Set(handover?.sockets.compactMap(\.index) ?? [])
        for index in indices where index >= state.target { listeners?.close(index: index) }
    }

    /// As gunicorn does: both masters have a pid file, so the next one's has another name for the time being.
    func ownPath(_ path: String) -> String { state.hasFormerMaster ? "\(path).2" : path }

    /// Answers `.takeOver`.
    func takeOver() {
        tellStatus()
        listeners?.removeUnclaimedFiles()
        admin.listeners?.removeUnclaimedFiles()
        if admin.listeners != nil { admin.keeper.begin(at: EventLoop.monotonicNow()) }
        takePIDFile()
        // What the former admin process waits for.
        masters.former?.close()
        masters.former = nil
    }

    private func takePIDFile() {
        guard let path = configuration.pidFile else { return }
        do throws(SupervisorError) {
            let own = try PIDFile(claiming: path, after: handover?.master)
            pidFile?.remove(sparing: own)
            pidFile = own
        } catch {
            logger.error("\(error); the pid file stays at \(ownPath("\(path).2"))")
        }
    }

    /// Whether another master still serves, at the end of this one.
    var hasOtherMaster: Bool {
        switch state.otherMaster {
        case .none: false
        case .former: getppid() == handover?.master
        case .next(let pid): waitpid(pid, nil, WNOHANG) == 0
        }
    }
}

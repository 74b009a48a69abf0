// The commands as they are carried out: ask, and print. An exit code of 0 means done, 1 failed.

import EvLoop
import Glibc
import JSONText

package struct ClientCommands {
    /// Where the server answers now. It may be somewhere else when it has been started again.
    package typealias Finder = () throws(ClientError) -> ClientAddress

    private let find: Finder
    private let token: String?
    private let version: String
    private let output: Output

    package init(find: @escaping Finder, token: String?, version: String, output: Output) {
        self.find = find
        self.token = token
        self.version = version
        self.output = output
    }

    func client() throws(ClientError) -> AdminClient { AdminClient(try find(), token: token, version: version) }

    package func status(json: Bool) throws(ClientError) -> Int32 {
        try show("/status", json) { StatusText(status: ServerStatus($0), width: output.width).lines }
    }

    package func connections(of worker: Int?, json: Bool) throws(ClientError) -> Int32 {
        try show(Self.target("/connections", worker), json) {
            DetailText.connections(WorkerConnections.all($0), width: output.width)
        }
    }

    package func stacks(of worker: Int?, json: Bool) throws(ClientError) -> Int32 {
        // Lines of code are not cut: a terminal breaks them, and nothing is lost.
        try show(Self.target("/stacks", worker), json) { DetailText.stacks(WorkerStacks.all($0), width: nil) }
    }

    static func target(_ path: String, _ worker: Int?) -> String { worker.map { "\(path)?worker=\($0)" } ?? path }

    private func show(_ target: String, _ isRaw: Bool, _ lines: (JSONValue) -> [Line]) throws(ClientError) -> Int32 {
        let client = try client()
        let body = try client.get(target)
        let value = try client.json(body)
        if isRaw { _ = Output.write(Self.escaped(body)) } else { _ = output.write(lines(value)) }
        return 0
    }

    /// JSON in which DEL and the controls of C1 are escaped, too. They stand in strings only.
    static func escaped(_ json: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(json.count + 1)
        var index = 0
        while index < json.count {
            let byte = json[index]
            index += 1
            if byte == 0x7f {
                result += "\\u007f".utf8
            } else if byte == 0xc2, index < json.count, (0x80...0x9f).contains(json[index]) {
                result += "\\u00\(String(json[index], radix: 16))".utf8
                index += 1
            } else {
                result.append(byte)
            }
        }
        while result.last == 0x0a { result.removeLast() }
        return result + [0x0a]
    }

    // MARK: orders

    /// Gives an order and prints what comes of it, line by line. Why it failed goes to standard error.
    package func order(_ target: String) throws(ClientError) -> Int32 {
        let client = try client()
        let succeeded = try client.post(target) { step in
            let bytes = Array(step.lines.map { $0 + "\n" }.joined().utf8)
            // Nobody need read it: the order is carried out.
            _ = Output.write(bytes, to: step.succeeded == false ? STDERR_FILENO : STDOUT_FILENO)
        }
        return succeeded ? 0 : 1
    }

    // MARK: live

    /// Shows the server until somebody leaves. A server that goes away is asked again until it is back.
    package func watch() throws(ClientError) -> Int32 {
        let client = try client()
        let status = ServerStatus(try client.json(at: "/status"))
        let connect = { [token, version] address in AdminClient(address, token: token, version: version) }
        if output.isScreen,
            let session = WatchSession(client, status, find: find, connect: connect, output: output)
        {
            return session.run()
        }
        return watchPlainly(client, status)
    }

    private func watchPlainly(_ client: AdminClient, _ status: ServerStatus) -> Int32 {
        var client: AdminClient? = client
        var watch = PlainWatch()
        var isAway = false
        var isRead = output.write(watch.lines(status))
        var next = EventLoop.monotonicNow() + 1
        while isRead, Output.waits(until: next) {
            next = max(next + 1, EventLoop.monotonicNow())
            do throws(ClientError) {
                let current: AdminClient
                if let client { current = client } else { current = try self.client() }
                client = current
                isRead = output.write(watch.lines(ServerStatus(try current.json(at: "/status"))))
                isAway = false
            } catch {
                if error.kind == .unreachable { client = nil }
                if !isAway { _ = Output.write(Array("evgateway: \(error); trying again\n".utf8), to: STDERR_FILENO) }
                isAway = true
            }
        }
        return 0
    }
}

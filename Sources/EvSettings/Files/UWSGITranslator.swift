// Turns the lines of a uwsgi.ini into settings by the rules of `UWSGISettings`. As in uWSGI, the last line of an option
// counts, unless the option makes a list.

struct UWSGITranslator {
    typealias Line = UWSGIReader.Line

    private var settings: [String: FileSetting] = [:]
    /// The values of the settings that lines add to, and the line of the first one.
    private var lists: [String: (line: Int, values: [String])] = [:]
    /// Those of them that make one text with commas.
    private var isJoined: Set<String> = []
    private var notes: [UWSGISettings.Note] = []
    /// Lines whose meaning depends on others.
    private var app = UWSGIApp()
    private var sockets: [Line] = []
    private var socketProtocol: Line?
    private var log: Line?
    private var logsRequests = true
    private var loop: Line?
    private var cores: Line?
    private var cheaper: Line?
    /// The `if-…` or `for` that the lines belong to.
    private var condition: Line?

    mutating func take(_ line: Line) {
        if condition != nil {
            if case .other(.endOfCondition) = UWSGISettings.rule(line.key) { condition = nil }
            return
        }
        switch UWSGISettings.rule(line.key) {
        case .setting(let name): set(name, .text(line.value), line)
        case .item(let name): add(line.value, to: name, line)
        case .part(let name):
            add(line.value, to: name, line)
            isJoined.insert(name)
        case .flag(let name): set(name, .boolean(line.isTrue), line)
        case .other(let special): take(line, special)
        case .nothing: break
        case .always(let reason): if !line.isTrue { note(line, reason) }
        case .not(let reason): note(line, reason)
        case nil:
            guard !line.isPlaceholder else { return }
            notes.append(.init(line: line.number, "unknown option '\(line.key.oneLine)' of uWSGI is not taken"))
        }
    }

    private mutating func set(_ name: String, _ value: SettingValue, _ line: Line?) {
        settings[name] = FileSetting(name, value, line: line?.number)
    }

    private mutating func add(_ value: String, to name: String, _ line: Line) {
        lists[name, default: (line.number, [])].values.append(value)
    }

    private mutating func note(_ line: Line, _ reason: String) {
        notes.append(.init(line: line.number, "\(line.key.oneLine): \(reason)"))
    }

    private mutating func take(_ line: Line, _ special: UWSGISettings.Special) {
        switch special {
        case .module: app.module = line
        case .callable: app.callable = line
        case .file: app.file = line
        case .mount: app.mounts.append(line)
        case .paste: set("paste", .text(line.value.dropping(prefix: "config:")), line)
        case .plugins: takePlugins(line)
        case .bind: bind(line, nil)
        case .gatewaySocket(let spoken): bind(line, spoken)
        case .socket: sockets.append(line)
        case .socketProtocol: socketProtocol = line
        case .socketMode: takeSocketMode(line)
        case .gevent: (loop, cores) = (Line("gevent", "gevent", number: line.number), line)
        case .loop: loop = line
        case .cores: cores = line
        case .bufferSize: takeBufferSize(line)
        case .cheaper: cheaper = line
        case .memory: takeMemory(line)
        case .autoReload: set("reload", .boolean(line.isTrue), line)
        case .log: takeLog(line)
        case .daemon:
            takeLog(line)
            set("daemon", .boolean(true), line)
        case .affinity:
            // The number of processors of each worker.
            guard line.value == "1" else { return note(line, "workers have one processor each: use 1") }
            set("cpu_affinity", .text("auto"), line)
        case .disableLogging:
            logsRequests = !line.isTrue
            if !logsRequests { set("accesslog", .none, line) }
        case .condition:
            condition = line
            note(line, "conditions and loops are not followed: the lines up to its end are not taken")
        case .endOfCondition: break
        }
    }

    /// The settings and notes of all lines.
    mutating func result() -> ([FileSetting], [UWSGISettings.Note]) {
        finishSockets()
        finishLoop()
        finishWorkers()
        if logsRequests { set("accesslog", .text(log?.value ?? "-"), log) }
        // uWSGI serves one request at a time where nothing else is asked for, and apps may rely on it.
        if settings["worker_class"] == nil, settings["threads"] == nil { set("worker_class", .text("sync"), nil) }
        let (found, refused) = app.result()
        for setting in found { settings[setting.name] = setting }
        for (line, reason) in refused { note(line, reason) }
        for (name, list) in lists {
            let value =
                isJoined.contains(name)
                ? SettingValue.text(list.values.joined(separator: ",")) : .list(list.values.map(SettingValue.text))
            settings[name] = FileSetting(name, value, line: list.line)
        }
        let settings = settings.values.sorted { ($0.line ?? .max, $0.name) < ($1.line ?? .max, $1.name) }
        return (settings, notes.sorted { $0.line < $1.line })
    }
}

// MARK: Single options

extension UWSGITranslator {
    /// What the modules of uWSGI give that evgateway has without any.
    private static let knownPlugins = ["python", "http", "corerouter", "gevent"]

    private mutating func takePlugins(_ line: Line) {
        let names = line.value.split(separator: ",").map { $0.filter { $0 != " " } }
        let unknown = names.filter { name in !Self.knownPlugins.contains { name.hasPrefix($0) } }
        if !unknown.isEmpty {
            note(line, "plugins of uWSGI are not loaded: \(unknown.joined(separator: ", ").oneLine)")
        }
    }

    /// - Parameter spoken: nil for HTTP.
    private mutating func bind(_ line: Line, _ spoken: AddressProtocol?) {
        guard !line.value.isEmpty, !line.value.hasPrefix("=") else {
            return note(line, "sockets have no numbers: give the address to http-socket or to socket")
        }
        add((spoken.map { "\($0)://" } ?? "") + ForeignFlag.address(line.value), to: "bind", line)
    }

    private mutating func takeSocketMode(_ line: Line) {
        let digits = ["", "1", "true"].contains(line.value) ? "666" : line.value
        guard digits.utf8.count == 3, digits.utf8.allSatisfy({ UInt8(ascii: "0")...UInt8(ascii: "7") ~= $0 }) else {
            return note(line, "the mode has three octal digits, as 660")
        }
        set("socket_mode", .text(digits), line)
    }

    private mutating func takeBufferSize(_ line: Line) {
        guard let size = Int(line.value) else { return note(line, "expected a number of bytes") }
        // It bounds the whole head; the defaults here are 8190 for a field and 4094 for the request line.
        if size > 8190 { set("limit_request_field_size", .text(line.value), line) }
        if size > 4094 { set("limit_request_line", .text(line.value), line) }
    }

    private mutating func takeLog(_ line: Line) {
        log = line
        set("errorlog", .text(line.value), line)
    }

    private mutating func takeMemory(_ line: Line) {
        guard let number = Int(line.value) else { return note(line, "expected a number of megabytes") }
        set("max_worker_rss", .text("\(number)M"), line)
    }

    /// There, `processes` is the most, and `cheaper` the least.
    private mutating func finishWorkers() {
        guard let cheaper else { return }
        guard let most = settings["workers"], let least = Int(cheaper.value), least > 0,
            least < Int(most.value.plainText) ?? 0
        else { return note(cheaper, "expected a number that is less than processes") }
        settings["workers_max"] = FileSetting("workers_max", most.value, line: most.line)
        set("workers", .text(cheaper.value), cheaper)
    }

    private mutating func finishSockets() {
        guard let socketProtocol else { return sockets.forEach { bind($0, .uwsgi) } }
        let isHTTP = ["http", "http11"].contains(socketProtocol.value)
        let spoken = AddressProtocol(rawValue: socketProtocol.value)
        guard isHTTP || spoken != nil else {
            let others = "choose http, uwsgi, fastcgi or scgi"
            note(socketProtocol, others)
            return sockets.forEach { note($0, "its protocol is not spoken: \(others)") }
        }
        sockets.forEach { bind($0, isHTTP ? nil : spoken) }
    }

    private mutating func finishLoop() {
        switch loop?.value {
        case "gevent":
            set("worker_class", .text("gevent"), loop)
            if let cores { set("worker_connections", .text(cores.value), cores) }
        case "asyncio": if let loop { note(loop, UWSGISettings.noAsyncio) }
        default:
            if let loop { note(loop, "there is no such engine: use gevent") }
            if let cores { note(cores, "such engines are not there: use gevent") }
        }
    }
}

extension UWSGIReader.Line {
    /// As uWSGI reads a flag.
    var isTrue: Bool { !["false", "off", "no", "0"].contains(value.lowercased()) }
}

extension String {
    fileprivate func dropping(prefix: String) -> String { hasPrefix(prefix) ? String(dropFirst(prefix.count)) : self }
}

// Which app a uwsgi.ini names. uWSGI serves many in one process; here one is served, and the others are refused.

struct UWSGIApp {
    typealias Line = UWSGIReader.Line

    var module: Line?
    var callable: Line?
    var file: Line?
    var mounts: [Line] = []

    /// The settings, and the lines that are not taken, each with the reason.
    func result() -> (settings: [FileSetting], refused: [(line: Line, reason: String)]) {
        let lines = [module, file].compactMap(\.self) + mounts
        guard let taken = lines.first else {
            return ([], callable.map { [($0, "there is no module or wsgi-file to which it belongs")] } ?? [])
        }
        var refused = lines.dropFirst().map { ($0, "one app is served, the one of line \(taken.number)") }
        let isMounted = module == nil && file == nil
        let mount = isMounted ? Self.mount(taken.value) : ("", taken.value)
        guard let (prefix, app) = mount else {
            refused.append((taken, "expected /PREFIX=APP"))
            return ([], refused)
        }
        // Only a module has no suffix. A mount names either.
        let isModule = module != nil || (isMounted && !app.contains("/") && !app.hasSuffix(".wsgi"))
        guard isModule || app.prefix(while: { $0 != ":" }).hasSuffix(".py") else {
            refused.append((taken, "the name of the file must end with .py"))
            return ([], refused)
        }
        let reference = Self.reference(app, callable?.value)
        var settings = [FileSetting("wsgi_app", .text(reference), line: taken.number)]
        if !prefix.isEmpty { settings.append(FileSetting("root_path", .text(prefix), line: taken.number)) }
        return (settings, refused)
    }

    /// APP, with uWSGI's usual name for what is called there.
    static func reference(_ app: String, _ callable: String? = nil) -> String {
        app.contains(":") ? app : "\(app):\(callable ?? "application")"
    }

    /// Of `/PREFIX=APP`: the prefix without slash at its end, so none for `/`, and the app.
    static func mount(_ value: String) -> (prefix: String, app: String)? {
        guard value.hasPrefix("/"), let sign = value.firstIndex(of: "=") else { return nil }
        let app = value[value.index(after: sign)...]
        var prefix = value[..<sign]
        while prefix.hasSuffix("/") { prefix.removeLast() }
        return app.isEmpty ? nil : (String(prefix), String(app))
    }
}

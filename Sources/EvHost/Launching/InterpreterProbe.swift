// Asks an interpreter whether it has a module, in a process of its own and without importing anything.

import Glibc

package enum InterpreterProbe {
    /// Exit code 0: there is a module or a regular package. A folder without `__init__.py` does not count.
    private static let script = """
        import sys, importlib.util
        sys.path[0:1] = sys.argv[2:]
        try:
            spec = importlib.util.find_spec(sys.argv[1])
        except Exception:
            spec = None
        sys.exit(0 if spec is not None and spec.origin is not None else 1)
        """

    /// - Parameters:
    ///   - module: a top-level name.
    ///   - folders: where to look before the interpreter's own path.
    package static func hasModule(_ interpreter: String, _ module: String, _ folders: [String]) -> Bool {
        var actions = posix_spawn_file_actions_t()
        guard posix_spawn_file_actions_init(&actions) == 0 else { return false }
        defer { posix_spawn_file_actions_destroy(&actions) }
        for (descriptor, mode) in [(STDIN_FILENO, O_RDONLY), (STDOUT_FILENO, O_WRONLY), (STDERR_FILENO, O_WRONLY)] {
            posix_spawn_file_actions_addopen(&actions, descriptor, "/dev/null", mode, 0)
        }
        var process: pid_t = 0
        let failure = withCStrings([interpreter, "-c", script, module] + folders) { arguments in
            posix_spawn(&process, interpreter, &actions, nil, arguments, environ)
        }
        guard failure == 0 else { return false }
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0 {
            guard errno == EINTR else { return false }
        }
        return status == 0
    }
}

/// Calls `body` with the strings as a null-terminated vector, as `exec` and `posix_spawn` take it.
package func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> Result
) -> Result {
    var pointers = strings.map { strdup($0) }
    pointers.append(nil)
    defer { for pointer in pointers { free(pointer) } }
    return body(&pointers)
}

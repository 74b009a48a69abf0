import EvHost
import EvSettings
import Glibc
import Testing

/// The test runner links the library EvGateway, so the launcher takes it for a Swift app.
private func linkAsApp(_ path: String) { _ = symlink("/proc/self/exe", path) }

@Suite struct LocatorTests {
    private let folder = TemporaryFolder()

    private func locator(
        _ options: [String] = [], environment: [String: String]? = nil, modules: Set<String> = []
    ) throws -> AppLocator {
        folder.file("bin/python3", "#!/bin/sh\n", mode: 0o755)
        let environment = environment ?? ["PATH": "\(folder.path)/bin"]
        return AppLocator(
            startFolder: folder.path, configuration: try configuration(options + ["app"]),
            environment: { environment[$0] }, interpreterHasModule: { _, module, _ in modules.contains(module) })
    }

    private var python: AppLocation { .python(interpreter: "\(folder.path)/bin/python3") }

    @Test(arguments: ["shop:app", "nowhere:app", "shop:make('a/b', key=1)", "a.b:c"])
    func attributeMeansPython(_ app: String) throws {
        #expect(try locator().locate(app) == python)
    }

    @Test(arguments: ["shop.py", "./shop.py", "shop.py:app", "sub/site.py:make('x:/y')"])
    func pythonFileIsPython(_ app: String) throws {
        folder.file("shop.py")
        folder.file("sub/site.py")
        #expect(try locator().locate(app) == python)
    }

    @Test func missingPythonFileIsNamed() throws {
        let locator = try locator()
        #expect(throws: ConfigurationError(reason: "no such file: \(folder.path)/sub/none.py")) {
            try locator.locate("sub/none.py:app")
        }
    }

    @Test(arguments: ["shop.py", "shop/__init__.py"])
    func bareWordIsAModuleBeforeItIsAnExecutable(_ file: String) throws {
        folder.file(file)
        let locator = try locator()
        linkAsApp("\(folder.path)/bin/shop")
        #expect(try locator.locate("shop") == python)
    }

    @Test func bareWordIsLookedForInChdirAndPythonPath() throws {
        folder.file("a/one.py")
        folder.file("b/two.py")
        let locator = try locator(["--chdir", "a", "--pythonpath", "../b"])
        #expect(try locator.locate("one") == python)
        #expect(try locator.locate("two") == python)
    }

    @Test func bareWordWithDotsIsASubmodule() throws {
        folder.file("site/wsgi.py")
        #expect(try locator().locate("site.wsgi") == python)
    }

    @Test func interpreterIsAskedForTheTopPackage() throws {
        #expect(try locator(modules: ["django_site"]).locate("django_site.wsgi") == python)
    }

    @Test func bareWordIsAnExecutableInTheFolderThenOnThePath() throws {
        let locator = try locator()
        linkAsApp("\(folder.path)/bin/chat")
        #expect(try locator.locate("chat") == .swift(executable: "\(folder.path)/bin/chat"))
        linkAsApp("\(folder.path)/chat")
        #expect(try locator.locate("chat") == .swift(executable: "\(folder.path)/chat"))
    }

    @Test func folderOfTheNameIsNoModule() throws {
        folder.file("chat/notes.txt")
        let locator = try locator()
        linkAsApp("\(folder.path)/bin/chat")
        #expect(try locator.locate("chat") == .swift(executable: "\(folder.path)/bin/chat"))
    }

    @Test func pathNamesAnExecutable() throws {
        let locator = try locator()
        linkAsApp("\(folder.path)/bin/chat")
        #expect(try locator.locate("bin/chat") == .swift(executable: "\(folder.path)/bin/chat"))
        #expect(try locator.locate("./bin/chat") == .swift(executable: "\(folder.path)/bin/chat"))
    }

    @Test(arguments: ["/bin/ls", "bin/python3"])
    func programThatIsNoAppIsRefused(_ path: String) throws {
        let locator = try locator()
        #expect(throws: ConfigurationError.self) { try locator.locate(path) }
    }

    @Test func programOnThePathThatIsNoAppIsNotRun() throws {
        let locator = try locator(environment: ["PATH": "\(folder.path)/bin:/bin"])
        #expect(throws: ConfigurationError.self) { try locator.locate("ls") }
    }

    @Test func failureListsEveryPlace() throws {
        let locator = try locator(["--chdir", "a", "--pythonpath", "/lib/x"])
        do {
            _ = try locator.locate("nowhere")
            Issue.record("found")
        } catch {
            let line = "\(error)"
            for place in [
                "\(folder.path)/a/nowhere.py", "/lib/x/nowhere.py", "/lib/x/nowhere/", "\(folder.path)/bin/python3",
                "\(folder.path)/a:\(folder.path):\(folder.path)/bin",
            ] {
                #expect(line.contains(place))
            }
            #expect(!line.contains("\n"))
        }
    }

    @Test func interpreterIsTheOptionsThenTheVirtualEnvironmentsThenThePaths() throws {
        folder.file("other", mode: 0o755)
        folder.file("env/bin/python3", mode: 0o755)
        let environment = ["PATH": "\(folder.path)/bin", "VIRTUAL_ENV": "\(folder.path)/env"]
        #expect(try locator().interpreter() == "\(folder.path)/bin/python3")
        #expect(try locator(environment: environment).interpreter() == "\(folder.path)/env/bin/python3")
        let named = try locator(["--python", "./other"], environment: environment)
        #expect(try named.interpreter() == "\(folder.path)/other")
        for name in ["env", "./env", "\(folder.path)/env"] {
            #expect(try locator(["--python", name]).interpreter() == "\(folder.path)/env/bin/python3")
        }
    }

    /// Another Python would have other packages.
    @Test func virtualEnvironmentThatIsNamedAndMissingIsNotReplaced() throws {
        let environment = ["PATH": "\(folder.path)/bin", "VIRTUAL_ENV": "\(folder.path)/gone"]
        let locator = try locator(environment: environment)
        let error = #expect(throws: ConfigurationError.self) { try locator.locate("a:b") }
        #expect("\(error.map { "\($0)" } ?? "")".contains("\(folder.path)/gone/bin/python3"))
        linkAsApp("\(folder.path)/chat")
        #expect(try locator.locate("chat") == .swift(executable: "\(folder.path)/chat"), "it needs no Python")
    }

    @Test func missingInterpreterIsNamed() throws {
        let none = try locator(["--python", "/no/python"])
        #expect(throws: ConfigurationError("--python", reason: "no such interpreter: '/no/python'")) {
            try none.locate("a:b")
        }
        #expect(throws: ConfigurationError("--python", reason: "no such interpreter: '/no/python'")) {
            try none.locate("nowhere")
        }
        let bare = try locator(environment: [:])
        #expect(throws: ConfigurationError.self) { try bare.locate("a:b") }
    }

    @Test func realInterpreterIsAskedWithoutImporting() throws {
        folder.file("loud.py", "open('imported', 'w')\n")
        _ = mkdir("\(folder.path)/plain", 0o755)
        let interpreter = try AppLocator(
            startFolder: folder.path, configuration: try configuration(["app"]), environment: { processEnvironment($0) }
        ).interpreter()
        #expect(InterpreterProbe.hasModule(interpreter, "loud", [folder.path]))
        #expect(InterpreterProbe.hasModule(interpreter, "wsgiref", []))
        #expect(!InterpreterProbe.hasModule(interpreter, "no_such_module_here", [folder.path]))
        #expect(!InterpreterProbe.hasModule(interpreter, "plain", [folder.path]))
        #expect(folder.text("imported").isEmpty && access("imported", F_OK) != 0)
    }

    @Test func hostOfAPythonAppIsTheInterpreterWithTheWholeCommandLine() throws {
        folder.file("libEvPython.so")
        let script = folder.file("evgateway_CPythonBridge.resources/python/evgateway/__main__.py")
        let words = ["-w", "2", "shop:app", "--", "x"]
        let command = try HostCommand(
            arguments: words, applicationIndex: 2, settings: try settings(words), locator: try locator(),
            programFolder: folder.path)
        #expect(command.path == "\(folder.path)/bin/python3")
        #expect(command.arguments == ["\(folder.path)/bin/python3", script] + words)
        #expect(command.environment == ["EVGATEWAY_LIBRARY": "\(folder.path)/libEvPython.so"])
    }

    @Test func hostOfASwiftAppGetsTheFlagsWithoutItsName() throws {
        let locator = try locator()
        linkAsApp("\(folder.path)/chat")
        let words = ["-w", "2", "chat", "--preload", "--", "chat"]
        let command = try HostCommand(
            arguments: words, applicationIndex: 2, settings: try settings(words), locator: locator,
            programFolder: folder.path)
        #expect(command.arguments == ["\(folder.path)/chat", "-w", "2", "--preload", "--", "chat"])
    }

    @Test func commandLineWithoutAppIsRefused() throws {
        let locator = try locator()
        #expect(throws: ConfigurationError.self) {
            try HostCommand(
                arguments: [], applicationIndex: nil, settings: try settings([]), locator: locator,
                programFolder: folder.path)
        }
    }
}

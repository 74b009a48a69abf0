import EvHost
import Testing

@Suite struct WatchListTests {
    @Test(arguments: [
        ("/a/*.html", "/a/x.html", true), ("/a/*.html", "/a/b/x.html", false), ("/a/*.html", "/a/.x.html", false),
        ("/a/**/*.html", "/a/x.html", true), ("/a/**/*.html", "/a/b/c/x.html", true),
        ("/a/**/*.html", "/a/.git/x.html", false), ("/a/**", "/a/b", true), ("/a/**/*", "/a", false),
        ("/a/?[0-9]", "/a/x7", true), ("/a/?[0-9]", "/a/xx", false), ("/a/.*", "/a/.env", true),
        ("/**/t/*.j2", "/x/y/t/a.j2", true), ("/a/b", "/a/b", true), ("/a/b", "/a/b/c", false),
    ])
    func globMatches(_ pattern: String, _ path: String, _ matches: Bool) {
        #expect(PathPattern(pattern).matches(path) == matches)
    }

    @Test(arguments: [
        ("/a/**/*.html", "/a", true), ("/a/**/*.html", "/a/b/c", true), ("/a/**/*.html", "/b", false),
        ("/a/*.html", "/a", true), ("/a/*.html", "/a/b", false), ("/a/*/x", "/a/b", true),
        ("/a/**/x", "/a/.git", false),
    ])
    func foldersThatMayHoldAMatch(_ pattern: String, _ folder: String, _ may: Bool) {
        #expect(PathPattern(pattern).mayMatch(below: folder) == may)
    }

    @Test(arguments: [("/a/b/*.x", "/a/b"), ("/a/b", "/a/b"), ("/*", "/"), ("/a/**", "/a")])
    func globBeginsAtItsBase(_ pattern: String, _ base: String) {
        #expect(PathPattern(pattern).base == base)
    }

    private func list(_ words: String...) throws -> WatchList {
        let words = ["--reload", "--chdir", "/srv"] + words
        let reader = try SettingsReader(arguments: words, startFolder: "/start", environment: { _ in nil })
        return WatchList(try #require(ReloadPlan(settings(words), reader)))
    }

    @Test func pathsAreMeantFromTheFolderOfTheApp() throws {
        let list = try list("--reload-extra-file", "a.css", "--env-file", ".env", "--reload-extra-file", "t/*.html")
        #expect(list.concerns("/srv/a.css", isFolder: false) && list.concerns("/srv/t/x.html", isFolder: false))
        // As the setting itself is.
        #expect(list.concerns("/start/.env", isFolder: false))
        #expect(!list.concerns("/srv/b.css", isFolder: false) && !list.concerns("/srv/t/x.html", isFolder: true))
    }

    @Test func excludesAreNamesOrPaths() throws {
        var list = try list(
            "--reload-extra-file", "**/*.py", "--reload-exclude", "*_pb2.py", "--reload-exclude", "node_modules",
            "--reload-exclude", "./gen")
        #expect(list.concerns("/srv/a/b.py", isFolder: false))
        for path in ["a/x_pb2.py", "node_modules/a.py", "b/node_modules/c/a.py", "gen/a.py", "gen/x/a.py"] {
            #expect(!list.concerns("/srv/\(path)", isFolder: false))
        }
        #expect(!list.concernsSome(below: "/srv/gen") && list.concernsSome(below: "/srv/a"))
        #expect(!list.add("/srv/gen/module.py") && list.add("/srv/module.py") && !list.add("/srv/module.py"))
    }

    @Test func whatEditorsLeaveCountsForNobody() throws {
        let list = try list("--reload-extra-file", "**/*", "--reload-extra-file", "named~")
        for name in ["a.py~", ".a.py.swp", "a.pyc", "4913"] { #expect(!list.concerns("/srv/\(name)", isFolder: false)) }
        #expect(list.concerns("/srv/named~", isFolder: false))
    }

    @Test func modulesCountWhenTheAppIsMissing() throws {
        var list = try list()
        #expect(!list.concerns("/srv/new.py", isFolder: false) && !list.concerns("/srv/package", isFolder: true))
        list.wantsModules = true
        #expect(list.concerns("/srv/new.py", isFolder: false) && list.concerns("/srv/package", isFolder: true))
        #expect(!list.concerns("/srv/data.db", isFolder: false) && !list.concerns("/srv/__pycache__", isFolder: true))
    }

    @Test func withoutReloadThereIsNoPlan() throws {
        let reader = try SettingsReader(arguments: [], startFolder: "/", environment: { _ in nil })
        #expect(ReloadPlan(try settings(["app"]), reader) == nil)
    }
}

import EvSettings
import Testing

@Suite struct UWSGIReaderFileTests {
    private func read(_ text: String) throws -> [UWSGIReader.Line] {
        try UWSGIReader.read(text, folder: "/srv/shop", file: "conf.d/uwsgi.prod.ini") { ["PORT": "8000"][$0] }
    }

    /// The value that `text` has in a file with the lines `above`.
    private func value(_ text: String, above: String = "") throws -> String? {
        try read("[uwsgi]\n\(above)\nx = \(text)").last?.value
    }

    @Test func linesOfTheSectionAreRead() throws {
        let text = """
            ignored = 1
            [other]
            a = 1
            [uwsgi]
            ; a comment
              # another
            module = shop:app ; not a comment
            \tenv=A = "b"\t\r
            env =

            master
            [uwsgi:x]
            b = 1
            [uwsgi]
            p = 2
            """
        #expect(
            try read(text) == [
                .init("module", "shop:app ; not a comment", number: 7), .init("env", "A = \"b\"", number: 8),
                .init("env", "", number: 9), .init("master", "", number: 11), .init("p", "2", number: 15),
            ])
    }

    @Test(arguments: [
        ("%d", "/srv/shop/"), ("%p", "/srv/shop/uwsgi.prod.ini"), ("%s", "uwsgi.prod.ini"), ("%n", "uwsgi.prod"),
        ("%e", "ini"), ("%c", "shop"), ("%%d %% 5%", "%d % 5%"), ("a%dapp%n", "a/srv/shop/appuwsgi.prod"),
        ("%é%z", "%é%z"),
        (":$(PORT)", ":8000"), ("$(NONE)$PORT$", "$(NONE)$PORT$"), ("%(none) %(x) %()", "%(none) %(x) %()"),
        ("%(a", "%(a"), ("$(", "$("), ("%%(a)", "%(a)"),
    ])
    func placeholdersAreReplaced(_ text: String, _ value: String) throws {
        #expect(try self.value(text, above: "a = b") == value)
    }

    @Test func valuesAboveAreReplaced() throws {
        #expect(try value("%(base)/%(base)", above: "base = %d..\nbase = no") == "/srv/shop/..//srv/shop/..")
        #expect(try value("%(a)", above: "set-placeholder = a=b=c") == "b=c")
        #expect(try value("%(a)", above: "set-ph = a") == "%(a)")
        let lines = try read("[uwsgi]\na = 1\nb = 2\nset-ph = c=3\nx = %(a)%(c)")
        #expect(lines.map(\.isPlaceholder) == [true, false, true, false])
    }

    @Test func filesWithoutFolderOrSuffixHaveParts() throws {
        let lines = try UWSGIReader.read("[uwsgi]\nx=%d|%p|%n|%e|%c", folder: "/", file: "uwsgi") { _ in nil }
        #expect(lines.map(\.value) == ["/|/uwsgi|uwsgi||"])
    }

    @Test(arguments: [
        ("", nil, "there is no section [uwsgi]"), ("module = x", nil, "there is no section [uwsgi]"),
        ("[uwsgi:a]\nb=1", nil, "there is no section [uwsgi]"), ("[uwsgi]\n\n = 1", 3, "expected a name before ="),
        ("\n[uwsgi\n", 2, "expected ] at the end of the line"),
    ])
    func errorsHaveTheirLine(_ text: String, _ line: Int?, _ reason: String) {
        #expect(throws: FileSyntaxError(line: line, reason)) { try read(text) }
    }

    @Test func doublingIsBounded() {
        let doubled = (1..<60).map { "a\($0) = %(a\($0 - 1))%(a\($0 - 1))\n" }.joined()
        #expect(throws: FileSyntaxError(line: 21, "the values are longer than 1 MiB")) {
            try read("[uwsgi]\na0 = bc\n" + doubled)
        }
        let wide =
            "[uwsgi]\na = \(String(repeating: "b", count: 500_000))\nx = " + String(repeating: "%(a)", count: 50_000)
        #expect(throws: FileSyntaxError(line: 3, "the values are longer than 1 MiB")) { try read(wide) }
    }
}

import JSONText
import Testing

@testable import GRIP

@Suite struct JSONPatchTests {
    private func patched(_ document: String, _ operations: String) -> String {
        guard case .array(let list)? = JSONValue(utf8(operations)) else { return "! test" }
        do throws(GRIPError) {
            return text(try JSONPatch.apply(list, toText: utf8(document)))
        } catch {
            return "! " + error.text
        }
    }

    /// Those of RFC 6902 appendix A, but for the tests of syntax.
    @Test(arguments: [
        (#"{"foo":"bar"}"#, #"{"op":"add","path":"/baz","value":"qux"}"#, #"{"baz":"qux","foo":"bar"}"#),
        (#"{"foo":["bar","baz"]}"#, #"{"op":"add","path":"/foo/1","value":"qux"}"#, #"{"foo":["bar","qux","baz"]}"#),
        (#"{"baz":"qux","foo":"bar"}"#, #"{"op":"remove","path":"/baz"}"#, #"{"foo":"bar"}"#),
        (#"{"foo":["bar","qux","baz"]}"#, #"{"op":"remove","path":"/foo/1"}"#, #"{"foo":["bar","baz"]}"#),
        (
            #"{"baz":"qux","foo":"bar"}"#, #"{"op":"replace","path":"/baz","value":"boo"}"#,
            #"{"baz":"boo","foo":"bar"}"#
        ),
        (
            #"{"foo":{"bar":"baz","waldo":"fred"},"qux":{"corge":"grault"}}"#,
            #"{"op":"move","from":"/foo/waldo","path":"/qux/thud"}"#,
            #"{"foo":{"bar":"baz"},"qux":{"corge":"grault","thud":"fred"}}"#
        ),
        (
            #"{"foo":["all","grass","cows","eat"]}"#, #"{"op":"move","from":"/foo/1","path":"/foo/3"}"#,
            #"{"foo":["all","cows","eat","grass"]}"#
        ),
        (
            #"{"baz":"qux","foo":["a",2,"c"]}"#,
            #"{"op":"test","path":"/baz","value":"qux"},{"op":"test","path":"/foo/1","value":2}"#,
            #"{"baz":"qux","foo":["a",2,"c"]}"#
        ),
        (#"{"baz":"qux"}"#, #"{"op":"test","path":"/baz","value":"bar"}"#, "! tested values are not equal"),
        (
            #"{"foo":"bar"}"#, #"{"op":"add","path":"/child","value":{"grandchild":{}}}"#,
            #"{"child":{"grandchild":{}},"foo":"bar"}"#
        ),
        (#"{"foo":"bar"}"#, #"{"op":"add","path":"/baz","value":"qux","xyz":123}"#, #"{"baz":"qux","foo":"bar"}"#),
        (
            #"{"foo":"bar"}"#, #"{"op":"add","path":"/baz/bat","value":"qux"}"#,
            "! cannot step into undefined reference: key=baz"
        ),
        (#"{"/":9,"~1":10}"#, #"{"op":"test","path":"/~01","value":10}"#, #"{"/":9,"~1":10}"#),
        (#"{"/":9,"~1":10}"#, #"{"op":"test","path":"/~01","value":"10"}"#, "! tested values are not equal"),
        (
            #"{"foo":["bar"]}"#, #"{"op":"add","path":"/foo/-","value":["abc","def"]}"#,
            #"{"foo":["bar",["abc","def"]]}"#
        ),
        (#"{"a":1}"#, #"{"op":"copy","from":"/a","path":"/b"},{"op":"remove","path":"/a"}"#, #"{"b":1}"#),
        (#"{"a":1}"#, #"{"op":"replace","path":"","value":[]}"#, "[]"),
        (#"{"a":1}"#, #"{"op":"remove","path":""}"#, "! the whole document cannot be removed"),
        (#"{"a":1}"#, #"{"op":"remove","path":"/b"}"#, "! location does not exist"),
        (#"{"a":1}"#, #"{"op":"replace","path":"/b","value":1}"#, "! location does not exist"),
        (#"{"a":{"b":1}}"#, #"{"op":"move","from":"/a","path":"/a/b"}"#, "! cannot move location into itself"),
        (#"{"a":[1]}"#, #"{"op":"add","path":"/a/01","value":1}"#, "! index must be an integer"),
        (#"{"a":[1]}"#, #"{"op":"add","path":"/a/2","value":1}"#, "! index out of range"),
        (#"{"a":[1]}"#, #"{"op":"remove","path":"/a/-"}"#, "! index must be an integer"),
        (#"{"a":[1]}"#, #"{"op":"add","path":"/a/99999999999999999999","value":1}"#, "! index must be an integer"),
        (#"{"a":1}"#, #"{"op":"add","path":"/a/b","value":1}"#, "! non-container value cannot have child reference"),
        (#"{"a":1}"#, #"{"op":"add","path":"a","value":1}"#, "! pointer must start with /"),
        (#"{"a":1}"#, #"{"op":"add","path":"/a"}"#, "! op does not contain 'value'"),
        (#"{"a":1}"#, #"{"op":"x","path":"/a"}"#, "! unsupported op: x"), (#"{"a":1}"#, "1", "! invalid op"),
        ("x", #"{"op":"remove","path":"/a"}"#, "! a body-patch for an answer that is not JSON"),
        ("{\"a\":1}\r\n", #"{"op":"remove","path":"/a"}"#, "{}\r\n"),
        ("[1]\n", #"{"op":"remove","path":"/0"}"#, "[]\n"),
    ])
    func operations(_ document: String, _ operations: String, _ want: String) {
        #expect(patched(document, "[\(operations)]") == want)
    }

    @Test func copiesOfCopiesHaveABound() {
        let double = Array(repeating: #"{"op":"copy","from":"/a","path":"/a/-"}"#, count: 60).joined(separator: ",")
        #expect(patched(#"{"a":[1,2]}"#, "[\(double)]") == "! a body-patch makes too much")
    }
}

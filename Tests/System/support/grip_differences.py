"""Where evgateway is not as Pushpin 1.36, and why.

Law: what both sides show is equal, leaf by leaf, but for what DIFFERENCES lists with both values and a reason. An entry
that no case needs is a failure of its own.
"""

import fnmatch

ABSENT = "(absent)"
ANY = object()

ENDS_NOBODY = "what one publisher does wrong ends nobody's request"
NO_LENGTH = "a request without a length has no body (RFC 9112, 6.3)"

# Cases, path of the leaf (both as in a shell), Pushpin's value, evgateway's value, and why it is to be so.
DIFFERENCES = [
    # Publishers
    ("published, the root", "told/body", "Pushpin API\n", ANY, "its name"),
    ("published, nothing", "told/status", 411, 400, NO_LENGTH),
    ("published, nothing", "told/body", "Request requires Content-Length.\n", "Body is not valid JSON.\n", NO_LENGTH),
    ("published, a code that is a word", "told/*", ANY, ANY, "a code that is none would be sent as 0"),
    ("published, a size that is a word", "told/*", ANY, ANY, "as of each other member of a wrong type"),
    ("published, an action that is none", "told/body", "Invalid format: \n", ANY, "it says what is wrong"),
    # Instructions
    ("JSON, nothing", "answer/*", ANY, ANY, "a document that says nothing is an empty answer, and not a mistake"),
    ("JSON, a time that is a word", "answer/*", ANY, ANY, "as of each other member of a wrong type"),
    ("prev-id without a link", "*", ANY, ANY, "a stream that could not go on is told before it begins"),
    # Messages that cannot be sent as they are: Pushpin ends the requests that they come to
    ("var-subst of what is not set", "answer/*", ANY, ANY, ENDS_NOBODY),
    ("filters of the content that do not match", "answer/*", ANY, ANY, ENDS_NOBODY),
    # Links
    ("a link that holds for one answer", "rest/body", "no\n", "", "what is a mistake is not for clients"),
    ("a link whose page is wrong", "rest/body", "no\n", "", "what is a mistake is not for clients"),
    ("a link that is gone", "asked/2/*", ABSENT, ANY, "as Pushpin since 1.41"),
    # Answers
    ("timed out, of a HEAD", "answer/fields/content-length", ["0"], ["10"], "that of the GET (RFC 9110, 8.6)"),
    ("a stream to HEAD", "head/fields/transfer-encoding", ["chunked"], ABSENT, "there is nothing to be coded"),
    ("a code that nobody knows", "answer/status", "299 Undefined Reason", "299 ", "a reason may be empty"),
    ("a large body", "answer/fields/transfer-encoding", ["chunked"], ABSENT, "its length is known"),
    ("a large body", "answer/fields/content-length", ABSENT, ["500000"], "its length is known"),
    ("*HTTP 1.0", "answer/line", "HTTP/1.0 200 OK", "HTTP/1.1 200 OK", "its own version (RFC 9110, 6.2)"),
    ("*HTTP 1.0", "answer/fields/connection", ABSENT, ["close"], "the end is told before it comes"),
    ("*", "*/fields/connection", ["Transfer-Encoding"], ABSENT, "every server knows that it is of one hop"),
    ("a stream to a client that closes after it", "head/fields/connection", ["close", "Transfer-Encoding"], ["close"],
     "every server knows that it is of one hop"),
]


class Comparison:
    def __init__(self):
        self.used, self.compared = set(), 0

    def check(self, name, theirs, ours):
        """Asserts that all leaves are equal or listed."""
        self.compared += 1
        wrong = []
        for path in sorted({*theirs, *ours}):
            pair = theirs.get(path, ABSENT), ours.get(path, ABSENT)
            if pair[0] != pair[1] and not self._listed(name, path, pair):
                wrong.append(f"  {path}\n    pushpin:   {pair[0]!r}\n    evgateway: {pair[1]!r}")
        assert not wrong, f"{name}:\n" + "\n".join(wrong)

    def _listed(self, name, path, pair):
        found = False
        for number, (cases, paths, theirs, ours, _) in enumerate(DIFFERENCES):
            if fnmatch.fnmatchcase(name, cases) and fnmatch.fnmatchcase(path, paths) and (
                    theirs is ANY or theirs == pair[0]) and (ours is ANY or ours == pair[1]):
                self.used.add(number)
                found = True
        return found

    def unused(self):
        return [DIFFERENCES[number] for number in range(len(DIFFERENCES)) if number not in self.used]

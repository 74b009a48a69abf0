"""gunicorn beside evgateway: how both are compared, and in what they may differ.

Law: both trees that are observed must be equal, leaf by leaf, except for what DIFFERENCES lists with both values and a
reason. An entry that no case needs is a failure of its own.
"""

import fnmatch
import re
from concurrent.futures import ThreadPoolExecutor

from .side_by_side import PROGRAMS

ABSENT = "(absent)"
ANY = object()

GOES_ON = "a hook that fails in the life of a master does not end it"
SLOW = "timeout is for a loop that stands still; a slow request is the business of request_timeout"
ONE_LINE = "a mistake is one line that says where it is"
ABORTED = "a worker that is aborted runs worker_abort and no more: its code cannot be trusted"
NEWEST = "the worker that was added last leaves, so that the indexes have no gap"
SAME_CODE = "what failed decides, not when it was noticed"

# Cases, path of the leaf (both as in a shell), gunicorn's value, evgateway's value, and why it is to be so.
DIFFERENCES = [
    # Names and additions
    ("*", "*/fields/server", ["gunicorn"], ["evgateway"], "its name"),
    ("*", "*/fields/server", ["gunicorn/asgi"], ["evgateway"], "its name"),
    ("*", "*/fields/server", ABSENT, ["evgateway"], "its name is in every response, also in those of mistakes"),
    ("*", "*/fields/date", ABSENT, ["DATE"], "the date is in every response (RFC 9110, 6.6.1)"),
    ("*", "*SERVER_SOFTWARE", "gunicorn/N", "evgateway/N", "its name"),
    ("*", "*/environ/evgateway.*", ABSENT, "<object>", "an addition"),
    ("*", "*/environ/waitress.client_disconnected", ABSENT, "<object>", "an addition"),
    ("*", "*/scope/extensions/evgateway.*", ABSENT, "<object>", "an addition"),
    ("*", "*/environ/gunicorn.socket", "<object>", ABSENT, "the loop owns the socket, and what it has buffered"),
    ("life", "cfg/http_protocols", ["list", "h1"], ["list", "h2", "h1"], "HTTP/2 is offered over TLS"),
    # Requests and responses
    ("*", "*/fields/connection", ["keep-alive"], ABSENT, "to keep a connection is the default of HTTP/1.1"),
    ("usual requests", "/short/fields/server", ["gunicorn"], ["mine"], "the app's own field wins"),
    ("usual requests", "HEAD /short/fields/server", ["gunicorn"], ["mine"], "the app's own field wins"),
    ("usual requests", "*/short/fields/connection", ["keep-alive"], ["close"], "an app may close the connection"),
    ("usual requests", "*/short/connection", "kept", "closed", "an app may close the connection"),
    ("*", "/fail/connection", "closed", "kept", "an app that fails before its response says nothing of the connection"),
    ("*", "/fail/fields/connection", ["close"], ABSENT, "as the connection is kept"),
    ("pre_request raises", "answer/connection", "closed", "kept", "as when the app fails"),
    ("pre_request raises", "answer/fields/connection", ["close"], ABSENT, "as when the app fails"),
    ("usual requests", "/exit/*", ANY, ANY, "an app that raises SystemExit is answered with 500 and ends nothing"),
    ("usual requests", "GET / HTTP/2.0*/status", "400 Bad Request", "505 HTTP Version Not Supported",
     "RFC 9110, 15.6.6"),
    ("usual requests", "get / HTTP/1.1*", ANY, ANY, "every method that is a token is passed on"),
    ("usual requests", "GET http://other*/HTTP_HOST", "h", "other", "the target's host counts (RFC 9112, 3.2.2)"),
    ("usual requests", "POST /*/status", "501 Bad Request", "501 Not Implemented", "the phrase of the code"),
    ("usual requests", "POST /chunks*/CONTENT_LENGTH", ABSENT, "3", "the body has arrived, so its length is known"),
    ("limits", "field of 50", "431 Request Header Fields Too Large", "200 OK", "the line's end does not count"),
    # Fields of proxies
    ("fields of proxies*", "GET /root*", ANY, ANY, "a SCRIPT_NAME that the path does not begin with has been cut off"),
    ("fields of proxies*, asgi", "GET /mounted/*/root_path", "", "/mounted", "what SCRIPT_NAME is for WSGI"),
    ("fields of proxies, dangerous, gthread", "GET /mounted/*/environ/*", ANY, ANY,
     "SCRIPT_NAME says where the app is only when it comes from a proxy that is trusted"),
    # The sync class
    ("sync", "request 1/connection", "closed", "kept", "a connection costs no worker here, so it is kept"),
    ("sync", "request 1/fields/connection", ["close"], ABSENT, "as the connection is kept"),
    ("sync", "request 2*", ANY, ANY, "as the connection is kept"),
    ("defaults", "answer/connection", "closed", "kept", "as with sync"),
    ("defaults", "answer/fields/connection", ["close"], ABSENT, "as with sync"),
    ("defaults", "answer/body/environ/wsgi.multithread", False, True, "the class that serves most is the default"),
    ("defaults", "answer/body/process/monkey", False, True, "the class that serves most is the default"),
    ("life", "answer/connection", "closed", "kept", "as with sync"),
    ("life", "answer/fields/connection", ["close"], ABSENT, "as with sync"),
    ("python:module", "answer/connection", "closed", "kept", "as with sync"),
    ("python:module", "answer/fields/connection", ["close"], ABSENT, "as with sync"),
    ("file: *", "answer/connection", "closed", "kept", "as with sync"),
    ("file: *", "answer/fields/connection", ["close"], ABSENT, "as with sync"),
    ("command line", "answer/connection", "closed", "kept", "as with sync"),
    ("command line", "answer/fields/connection", ["close"], ABSENT, "as with sync"),
    ("PORT", "address 0/connection", "closed", "kept", "as with sync"),
    ("PORT", "address 0/fields/connection", ["close"], ABSENT, "as with sync"),
    # Unix sockets, umask
    ("*", "*/environ/REMOTE_PORT", ABSENT, "CLIENT", "the empty text, for apps that expect the name"),
    ("*", "*/environ/SERVER_NAME", "test", "localhost", "a Unix socket has no name, and that of Host may be a lie"),
    ("several addresses", "*/process/umask", 0o22, 0o27, "umask holds for the process, and not for sockets alone"),
    # Stopping
    ("graceful_timeout is over", "answer", "none", "503 Service Unavailable", "the client learns why"),
    ("timeout, sync", "answer", "500 Internal Server Error", "200 OK", SLOW),
    ("life", "phase ABRT*/worker 5", ["worker_abort", "worker_exit"], ["worker_abort"], ABORTED),
    ("life", "phase ABRT*/worker_exit before child_exit", True, ABSENT, ABORTED),
    ("timeout, sync", "log/*", ANY, ANY, SLOW),
    # Failures of hooks
    ("on_reload raises", "exit code", 255, 0, GOES_ON),
    ("pre_fork raises", "exit code", 255, 0, GOES_ON),
    ("child_exit raises", "exit code", 255, 0, GOES_ON),
    ("nworkers_changed raises", "exit code", 1, 0, GOES_ON),
    ("on_exit raises", "exit code", 1, 0, "the server has ended as asked"),
    ("on_reload raises", "answer after that/*", ANY, ANY, GOES_ON),
    ("child_exit raises", "answer after that/*", ANY, ANY, GOES_ON),
    ("pre_fork raises", "answer/*", ANY, ANY, GOES_ON),
    ("nworkers_changed raises", "answer/*", ABSENT, ANY, GOES_ON),
    ("on_reload raises", "log/*", ABSENT, ANY, GOES_ON),
    ("child_exit raises", "log/*", ABSENT, ANY, GOES_ON),
    ("pre_fork raises", "log/*", ABSENT, ANY, GOES_ON),
    ("nworkers_changed raises", "log/*", ABSENT, ANY, GOES_ON),
    ("* raises", "log/Unhandled exception in main loop", "ERROR", ABSENT, GOES_ON),
    ("worker_int raises", "answer*/connection", "closed", "kept", "as with sync"),
    ("worker_int raises", "answer*/fields/connection", ["close"], ABSENT, "as with sync"),
    ("worker_abort raises", "answer*/connection", "closed", "kept", "as with sync"),
    ("worker_abort raises", "answer*/fields/connection", ["close"], ABSENT, "as with sync"),
    ("worker_exit raises", "log/Exception during worker exit", "WARNING", "ERROR", "what fails is an error"),
    # Life
    ("life", "phase HUP/master", ["nworkers_changed", "on_reload", "pre_fork 2", "child_exit 1"],
     ["on_reload", "pre_fork 2", "child_exit 1"], "nworkers_changed is called when the number has changed"),
    ("life", "phase TTOU/master", ["nworkers_changed", "child_exit 2"], ["nworkers_changed", "child_exit 3"], NEWEST),
    ("life", "phase TTOU/worker 2", ["worker_exit"], ABSENT, NEWEST),
    ("life", "phase TTOU/worker 3", ABSENT, ["worker_exit"], NEWEST),
    ("life", "phase KILL/master", ["child_exit 3", "pre_fork 4"], ["child_exit 2", "pre_fork 4"], NEWEST),
    # Objects of hooks
    ("life", "arguments/child_exit/worker/alive", True, False, "it is not"),
    ("life", "arguments/nworkers_changed/server/*", "(none)", ANY, "the object is whole from the beginning"),
    ("life", "arguments/*/server/LISTENERS", ["list"], ["list", "object"], "the addresses are known before"),
    ("life", "arguments/*/server/WORKERS/dict of", [], ["int: object"], "a worker knows itself"),
    ("life", "arguments/*/req/headers",
     ["list", ["tuple", "HOST", "test"], ["tuple", "X-A", "1"], ["tuple", "X-A", "2"],
      ["tuple", "CONTENT-TYPE", "a/b"]],
     ["list", ["tuple", "HOST", "test"], ["tuple", "X-A", "1,2"], ["tuple", "CONTENT-TYPE", "a/b"]],
     "fields of one name are joined, as in the environ"),
    ("life", "arguments/*/req/req_number", 1, "(none)", "connections are not counted for hooks"),
    ("life", "arguments/*/resp/must_close", True, False, "as with sync"),
    ("life", "arguments/*/resp/version", "gunicorn", "evgateway", "its name"),
    ("hooks with asgi", "hooks/*", "(none)", ANY, "the objects are those of WSGI apps"),
    ("hooks with asgi", "hooks/post_request/resp", None, ABSENT, "the hook gets a response, as with WSGI apps"),
    ("hooks with asgi", "hooks/post_request/resp/*", ABSENT, ANY, "the hook gets a response, as with WSGI apps"),
    ("hooks with asgi", "hooks/post_request/environ", None, [], "the hook gets the scope"),
    ("hooks with asgi", "hooks/post_request/worker/nr", 0, 1, "a request that is served counts, as with WSGI apps"),
    # Settings
    ("life", "cfg/*", ABSENT, ANY, "a setting that gunicorn does not have"),
    ("life", "cfg/config", "./gunicorn.conf.py", None, "a file that was found was not asked for"),
    ("life", "cfg/control_socket", ANY, "gunicorn.ctl", "there is no control socket"),
    ("life", "cfg/keepalive", 2, 75, "2 is shorter than what proxies keep connections for"),
    ("life", "cfg/umask", 0, None, "without umask, that of the shell is the process's"),
    ("life", "cfg/worker_class", "class", "sync", "the name, for there is no such class"),
    ("life", "cfg/wsgi_app", None, "alike_app:application", "APP of the command line is its value, too"),
    ("pythonpath", "*/first_paths", ["FOLDER/other", "FOLDER/lib"], ["FOLDER/lib", "FOLDER/other"],
     "the first folder comes first, as in $PYTHONPATH"),
    # Access log
    ("access log", "lines/*/h", "", "-", "an empty field would shift the others"),
    ("access log", "lines/*/U", "/a b", "/a%20b", "the path as it came, in which no byte can break the line"),
    ("access log", "lines/*/U", "/Ã©", "/%C3%A9", "the path as it came, in which no byte can break the line"),
    ("access log", "lines/*/{server_name}e", "test", "localhost", "as the app's own SERVER_NAME"),
    ("access log*", "lines/4/*", ANY, ANY, "the line of a request that failed has what others have"),
    ("records, *", "requests/5/*", ANY, ANY, "the record of a request that failed has what others have"),
    ("access log*", "lines/8/*", ABSENT, ANY, "a request that cannot be read has a line, too"),
    # The words of the log
    ("*", "log/Invalid request from ip=127.0.0.1", "WARNING", ABSENT, "the access log has them; a client fills no log"),
    ("*", "log/Hang up: Master", "INFO", ABSENT, "it says what happens: workers are replaced one by one"),
    ("*", "log/Worker exiting (pid: ", "INFO", ABSENT, "it says how the worker has ended"),
    ("*", "log/Using worker: ", ABSENT, "INFO", "it is known before the server listens"),
    ("*", "log/Worker failed to boot", "ERROR", "CRITICAL", "it ends the server"),
    ("*", "log/App failed to load", "ERROR", "CRITICAL", "it ends the server"),
    ("no module", "log/No module named 'missing'", "", "ERROR", ONE_LINE),
    ("*", "log/Traceback (most recent call last):", "", ABSENT, ONE_LINE),
    ("*", "log/Failed to read config file", "", ABSENT, ONE_LINE),
    ("*", "log/Invalid value for workers", "", ABSENT, ONE_LINE),
    ("*", "log/Error while loading the application", "", ABSENT, ONE_LINE),
    ("*", "log/Failed to find attribute", "", ABSENT, "it also says what the module has"),
    ("asgi", "log/Error handling request GET /", ABSENT, "ERROR", "the words are the same for all classes"),
    ("import raises, preloaded", "log/Traceback (most recent call last):", ABSENT, "", "it shows the line of the app"),
    # Exit codes
    ("check_config", "has said something on the terminal", False, True, "it says that all is well"),
    ("check_config, no module", "exit code", 1, 3, SAME_CODE), ("check_config, no app", "exit code", 1, 4, SAME_CODE),
    ("import raises, preloaded", "exit code", 1, 3, SAME_CODE),
    ("no attribute, preloaded", "exit code", 1, 4, SAME_CODE),
    ("bad value on the command line", "exit code", 2, 1, "one code for all mistakes in settings"),
    ("unknown flag", "exit code", 2, 1, "one code for all mistakes in settings"),
]


class Comparison:
    """Observes all cases, several at a time, and compares what was seen."""

    def __init__(self, cases, folder):
        self.used, self.compared = set(), set()
        self.pool = ThreadPoolExecutor(8)
        self.seen = {}
        for case in cases:
            for name in PROGRAMS:
                place = folder / f"{name}-{re.sub(r'[^A-Za-z0-9]+', '-', case.name)}"
                self.seen[case.name, name] = self.pool.submit(case.observe, name, place)

    def unexplained(self, case):
        """Returns a line for each leaf that differs and may not."""
        lines, trees = [], []
        for name in PROGRAMS:
            try:
                trees.append(self.seen[case.name, name].result())
            except Exception as error:
                lines.append(f"{name}: {type(error).__name__}: {error}")
        if lines:
            return lines
        self.compared.add(case.name)
        theirs, ours = trees
        for path in sorted({*theirs, *ours}):
            pair = theirs.get(path, ABSENT), ours.get(path, ABSENT)
            if pair[0] != pair[1] and not self.explained(case.name, path, *pair):
                lines.append(f"{path}\n    gunicorn:  {pair[0]!r}\n    evgateway: {pair[1]!r}")
        return lines

    def explained(self, name, path, *pair):
        for number, (cases, where, theirs, ours, _) in enumerate(DIFFERENCES):
            if (fnmatch.fnmatchcase(name, cases) and fnmatch.fnmatchcase(path, where)
                    and all(want is ANY or want == got for want, got in zip((theirs, ours), pair))):
                self.used.add(number)
                return True
        return False

    def unused(self):
        """Returns the entries that no case has needed."""
        return [entry for number, entry in enumerate(DIFFERENCES) if number not in self.used]

    def close(self):
        self.pool.shutdown(cancel_futures=True)

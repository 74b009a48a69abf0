"""The command line. A wrong option gives an error of one line and exit code 2."""

import argparse
import os

import kinds
import scenarios

DESCRIPTION = """\
Loads a server of HTTP/1.1 and WebSocket and reports throughput, latency percentiles, errors by kind, CPU time per
request, memory per connection, context switches, and the balance between workers. It starts one of the servers below,
or loads any URL.

  scripts/loadtest --server evgateway hold:count=5000 throughput:seconds=5
  scripts/loadtest --server gunicorn-gevent --workers 2 throughput --rate 2000
  scripts/loadtest --url http://127.0.0.1:8000/ --pid 4711 --hold-path '/poll?after=0' hold fanout
  scripts/loadtest --compare evgateway:class=asgi uvicorn throughput hold --html report.html

Scenarios run one after another on the same server. The parameters of each limit its count and time, and --max-seconds
limits all of them together. Before anything starts, it prints which limits of the machine (descriptors, ports, memory)
are too low. Memory per connection is the growth of the server's memory. It is reported only for the first scenario with
many connections (hold, idle, fanout, websocket), because the next one uses memory again that the first has left.
"""

EPILOG = """\
servers: {servers}
  NAME[:class=C,workers=N,threads=N,connections=N,app=A,python=P] sets options for one server of a comparison. Options
  after `--` go to the server's command, which is printed. evgateway's classes are gevent, inline, threads, asgi and
  swift (Examples/longpoll-chat and, for websocket, Examples/websocket-echo; or the program that --app names); granian's
  asgi and wsgi; uwsgi's threads and gevent. evgateway, hummingbird and the servers in C are built when they are first
  used.

scenarios, NAME[:key=value,...] with the defaults in parentheses:
{scenarios}

exit codes: 0 when all ran, also if the server made errors, which are reported; 1 when a run failed; 2 for bad options.
"""


class _Wide(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog):
        super().__init__(prog, max_help_position=26, width=120)


def parser():
    parser = argparse.ArgumentParser(
        prog="scripts/loadtest", usage="%(prog)s (--server NAME | --url URL | --compare A B) [options] SCENARIO ... "
        "[-- FLAGS OF THE SERVER]", description=DESCRIPTION, formatter_class=_Wide,
        epilog=EPILOG.format(servers=", ".join(kinds.KINDS), scenarios=scenarios.described()),
        allow_abbrev=False)
    parser.error = _refuse
    parser.add_argument("scenario", nargs="*", help="what to run, in this order (below)")

    group = parser.add_argument_group("the server")
    group.add_argument("--server", metavar="NAME", help="start this server, on a port that the kernel chooses")
    group.add_argument("--url", metavar="URL", help="load the server at http://HOST[:PORT][/PATH] or unix:PATH")
    group.add_argument("--compare", nargs=2, metavar=("A", "B"), help="two servers or URLs, in interleaved rounds")
    group.add_argument("--rounds", metavar="N", type=_positive, default=3, help="rounds of --compare (3)")
    group.add_argument("--pid", metavar="PID", type=_positive, help="with --url: the process whose tree is measured")
    group.add_argument("--worker-class", metavar="C", help="the worker class, if the server has several")
    group.add_argument("--workers", metavar="N", type=_positive, help="worker processes (1)")
    group.add_argument("--threads", metavar="N", type=_positive, help="threads of a worker that has threads (64)")
    group.add_argument("--connections", metavar="N", type=_positive,
                       help="most connections of a worker; by default as many as the scenarios need")
    group.add_argument("--app", metavar="APP",
                       help="the app to load instead of the harness's own, as the server names it")
    group.add_argument("--python", metavar="PATH", help="the interpreter of a Python server (.venv-bench/bin/python3)")

    group = parser.add_argument_group("the requests", "paths of the server; the harness's own app has them all")
    group.add_argument("--fast-path", metavar="PATH", help="answered at once (/)")
    group.add_argument("--hold-path", metavar="PATH",
                       help="answered after a time; {seconds} is replaced by it (/hold?seconds={seconds})")
    group.add_argument("--wait-path", metavar="PATH", help="fanout: held until something is published; {published} is "
                       "replaced by the number of messages published before (/wait)")
    group.add_argument("--stream-path", metavar="PATH",
                       help="holds: an answer without an end, to which is added what is published")
    group.add_argument("--publish-path", metavar="PATH",
                       help="fanout: a POST there answers all requests that wait (/publish)")
    group.add_argument("--publish-body", metavar="TEXT", default="hello", help="the body of that POST (hello)")
    group.add_argument("--upload-path", metavar="PATH", help="takes a POST with a body (/upload)")
    group.add_argument("--download-path", metavar="PATH", help="answers {bytes} bytes (/download?bytes={bytes})")
    group.add_argument("--echo-path", metavar="PATH", help="websocket: sends each message back (/echo)")
    group.add_argument("--broadcast-path", metavar="PATH",
                       help="websocket: sends each message to all that are connected there (/broadcast)")
    group.add_argument("--header", action="append", default=[], metavar="'NAME: VALUE'", help="a field of each request")

    group = parser.add_argument_group("the clients")
    group.add_argument("--count", metavar="N", type=_positive,
                       help="sets the parameter `count` of every scenario that has it; "
                       "the next four do the same for others")
    group.add_argument("--seconds", metavar="S", type=float)
    group.add_argument("--ramp", metavar="S", type=float)
    group.add_argument("--clients", metavar="N", type=_positive, help="the parameter `connections`")
    group.add_argument("--rate", metavar="R", type=float,
                       help="requests per second at a steady pace, without coordinated omission in "
                       "the latency; 0: as fast as answers come")
    group.add_argument("--timeout", metavar="S", type=_seconds, default=30.0,
                       help="seconds until a missing answer is an error (30)")
    group.add_argument("--processes", metavar="N", type=_positive,
                       help="client processes (one per processor, or more if the limit of "
                       "descriptors requires it)")
    group.add_argument("--sources", metavar="N", type=_positive,
                       help="source addresses of 127.0.0.0/8 per process (250)")
    group.add_argument("--reload-every", type=_seconds, metavar="S", help="send HUP to the server every S seconds of "
                       "every scenario")
    group.add_argument("--max-seconds", metavar="S", type=_seconds, default=600.0,
                       help="time limit for all scenarios together (600)")

    group = parser.add_argument_group("the report")
    group.add_argument("--json", metavar="FILE", help="write the result, or with --compare the results of every round")
    group.add_argument("--html", metavar="FILE", help="write a report as one HTML page")
    group.add_argument("--plan", action="store_true",
                       help="print what would be done and which limits are too low, and end")
    group.add_argument("--quiet", action="store_true", help="print no progress")
    return parser


def parsed(arguments):
    """Returns the options; `flags` are the words after `--`."""
    flags = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, flags = arguments[:at], arguments[at + 1:]
    options = parser().parse_intermixed_args(arguments)
    options.flags = flags
    chosen = [name for name in ("server", "url", "compare") if getattr(options, name)]
    if len(chosen) != 1:
        _refuse("one of --server, --url and --compare is needed" + (f", not {len(chosen)}" if chosen else ""))
    if not options.scenario:
        _refuse("which scenarios? " + ", ".join(scenarios.SCENARIOS))
    if options.pid and not options.url:
        _refuse("--pid goes with --url")
    for field in options.header:
        if ":" not in field or any(ord(letter) < 32 or ord(letter) > 255 for letter in field):
            _refuse(f"--header is 'NAME: VALUE', not {field!r}")
    for name in kinds.PATHS:
        path = getattr(options, f"{name}_path")
        if path is not None and (not path.startswith("/") or any(not 32 < ord(letter) < 127 for letter in path)):
            _refuse(f"--{name}-path begins with '/' and has no spaces, not {path!r}")
    for name in ("json", "html"):
        if (path := getattr(options, name)) and not os.access(os.path.dirname(path) or ".", os.W_OK):
            _refuse(f"--{name}: {path} cannot be written")
    return options


def _refuse(text):
    raise kinds.Refused(text)


def _positive(text):
    if not text.isdigit() or not 0 < int(text) <= 10_000_000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above 0")
    return int(text)


def _seconds(text):
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 86400:
        raise argparse.ArgumentTypeError(f"{text!r} is not seconds, above 0 and below a day")
    return value

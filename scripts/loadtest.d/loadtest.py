"""scripts/loadtest: reads the options, prints the plan, runs the scenarios, and prints the results."""

import datetime
import os
import shlex
import signal
import sys
import time

import compare
import html_page
import kinds
import limits
import options as command_line
import plan
import report
import run
from clients.crew import ClientFailure, Crew
from kinds import Refused
from progress import Progress
from scenarios import Chosen
from servers import Server, Spec

DEFAULTS = {"count": "count", "seconds": "seconds", "rate": "rate", "ramp": "ramp", "connections": "clients"}


def main(arguments):
    command = shlex.join(["scripts/loadtest", *arguments])
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    servers = []
    try:
        options = command_line.parsed(arguments)
        limits.raise_descriptor_limit()
        defaults = {key: getattr(options, name) for key, name in DEFAULTS.items()}
        chosen = [Chosen(text, defaults) for text in options.scenario]
        plans = [plan.Plan(Spec(text, options), chosen, options)
                 for text in options.compare or [options.server or options.url]]
        print("\n".join(line for made in plans for line in made.lines()), file=sys.stderr, flush=True)
        if options.plan:
            return 0
        hint = sum(scenario.seconds for made in plans for scenario in made.chosen) * (
            options.rounds if options.compare else 1)
        context = run.Context(options, Progress(None if options.quiet else sys.stderr, hint))
        for made in plans:
            servers.append(started(made, options))
            print(f"loadtest: {servers[-1].label} {servers[-1].version or ''} at {servers[-1].url}", file=sys.stderr)
        if len(servers) == 2 and servers[0].label == servers[1].label:
            for server in servers:
                server.label = server.spec.text
        context.deadline = time.monotonic() + options.max_seconds
        if options.compare:
            compared(context, servers, plans, options, command)
        else:
            one(context, servers[0], plans[0], options, command)
        return 0
    except Refused as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 2
    except (ClientFailure, OSError) as error:
        print(f"loadtest: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nloadtest: interrupted", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for crew in list(Crew.crews):
            crew.end()
        for server in servers:
            server.stop()


def started(made, options):
    paths = {name: value for name in kinds.PATHS
             if (value := getattr(options, f"{name}_path"))}
    if made.spec.url:
        return Server.met(made.spec, paths, options.pid)
    return Server.started(made.spec, paths)


def one(context, server, made, options, command):
    started_at = _now()
    found = run.result(server, run.measure(context, server, made.chosen), command, started_at)
    context.progress.finish()
    print(report.table(found))
    if options.json:
        report.write_json(found, options.json)
    if options.html:
        _write_page(options.html, [found], None)


def compared(context, servers, plans, options, command):
    """Rounds in the order A B, B A, A B, so that neither server always runs after the other."""
    rounds = [[], []]
    for number in range(options.rounds):
        for index in (0, 1) if number % 2 == 0 else (1, 0):
            started_at = _now()
            found = run.measure(context, servers[index], plans[index].chosen)
            rounds[index].append(run.result(servers[index], found, command, started_at))
    context.progress.finish()
    comparison = compare.compare(*rounds)
    print(compare.comparison_table(comparison))
    if options.json:
        report.write_json({"format": 1, "command": command, "comparison": comparison, "a": rounds[0], "b": rounds[1]},
                          options.json)
    if options.html:
        _write_page(options.html, [*rounds[0], *rounds[1]], comparison)


def _write_page(path, results, comparison):
    with open(path, "w", encoding="utf-8") as file:
        file.write(html_page.page(results, comparison))


def _now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _interrupted(number, frame):
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Not by the normal end of the interpreter, because a daemon thread may still read from a server's pipe.
    code = 1
    try:
        code = main(sys.argv[1:])
    except SystemExit as end:
        code = end.code
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        pass
    os._exit(code if isinstance(code, int) else 1)

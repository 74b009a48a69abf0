"""Runs Autobahn's client against a server that sends messages back, and says what it has found."""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
OUTPUT = ROOT / ".build" / "autobahn"
NAMES = {1: "framing", 2: "pings and pongs", 3: "reserved bits", 4: "opcodes", 5: "fragmentation", 6: "UTF-8",
         7: "close", 9: "limits and performance", 10: "auto-fragmentation", 12: "compression: payloads",
         13: "compression: parameters"}
# What the suite calls a case that it lets pass. Strict is a server that sends back what came before a violation.
PASSED = ("OK", "NON-STRICT", "INFORMATIONAL")


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/autobahn", description=__doc__)
    parser.add_argument("--url", help="of a server that runs; without it the tree's own is started")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="such as 1.* or 7.9.3 (default: all)")
    return parser.parse_args()


class Server:
    """This tree's build with the app of the system tests, on a port that the kernel chooses."""

    def __enter__(self):
        interpreter = ROOT / ".venv" / "bin" / "python3"
        self.process = subprocess.Popen(
            [ROOT / ".build" / "release" / "evgateway", "-k", "asgi", "--bind", "127.0.0.1:0",
             "--python", interpreter if interpreter.exists() else sys.executable,
             "--pythonpath", ROOT / "Tests" / "System" / "asgi_apps", "websocket_app:app"],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        address, said = None, []
        for line in self.process.stderr:
            said.append(line)
            if found := re.search(r"Listening at: http://(\S+)", line):
                address = found[1]
            if "Worker ready" in line:
                break
        else:
            sys.exit("autobahn: the server did not start\n" + "".join(said))
        self.url = f"ws://{address}"
        # Nobody reads its log, and a pipe that is full would stop it.
        self.log = subprocess.Popen(["cat"], stdin=self.process.stderr, stdout=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(60)
        self.log.wait(60)


def run(url, cases):
    """What the suite says of each case, by its name."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for old in OUTPUT.glob("*.json"):
        old.unlink()
    plan = OUTPUT / "plan"
    plan.write_text(json.dumps({
        "outdir": str(OUTPUT), "servers": [{"agent": "evgateway", "url": url}], "cases": cases or ["*"],
        "exclude-cases": [], "exclude-agent-cases": {}}))
    with open(OUTPUT / "log", "wb") as log:
        subprocess.run([ROOT / ".venv-autobahn" / "bin" / "wstest", "-m", "fuzzingclient", "-s", plan],
                       stdout=log, stderr=log, check=True)
    index = OUTPUT / "index.json"
    found = json.loads(index.read_text()) if index.exists() else {}
    if not found:
        sys.exit(f"autobahn: no case has run; {OUTPUT / 'log'} says why")
    return found["evgateway"]


def order(name):
    return [int(number) for number in name.split(".")]


def verdict(report):
    """That of the case, or of how its connection was closed where that is worse."""
    behavior, close = report["behavior"], report["behaviorClose"]
    return behavior if close in PASSED or behavior not in PASSED else f"close: {close}"


def main():
    options = arguments()
    if options.url:
        found = run(options.url, options.cases)
    else:
        with Server() as server:
            found = run(server.url, options.cases)
    verdicts = {name: verdict(found[name]) for name in sorted(found, key=order)}
    classes = collections.defaultdict(collections.Counter)
    for name, said in verdicts.items():
        classes[order(name)[0]][said] += 1
    for number, counted in classes.items():
        words = ", ".join(f"{count} {said}" for said, count in counted.items())
        print(f"{number:3} {NAMES.get(number, ''):24} {sum(counted.values()):4} cases: {words}")
    for said in sorted(set(verdicts.values()) - {"OK"}):
        names = [name for name, other in verdicts.items() if other == said]
        print(f"{said}: {' '.join(names if len(names) < 30 else [*names[:30], '...'])}")
    passed = sum(said in PASSED for said in verdicts.values())
    print(f"{passed} of {len(verdicts)} cases passed")
    return 0 if passed == len(verdicts) else 1


if __name__ == "__main__":
    sys.exit(main())

"""throughput: requests as fast as answers come, sent by wrk; or at a constant rate, sent by our own clients.

Without `rate` the figures are wrk's. It sends a request when the one before is answered, so its latencies do not count
requests that a slow answer delayed (the result has `corrected: false`). With `rate` requests do not wait for answers,
and latency counts from the time at which a request was due.
"""

import re
import shutil
import socket
import subprocess
import tempfile
import time

from clients.crew import die_with_parent

from .parameters import Parameter, rate, seconds, whole

PARAMETERS = {
    "seconds": Parameter(10.0, seconds(0.5), "how long"),
    "connections": Parameter(64, whole(), "keep-alive connections"),
    "threads": Parameter(1, whole(1, 64), "of wrk"),
    "rate": Parameter(0.0, rate, "requests per second, constant; 0: as fast as answers come"),
}
PATHS = ("fast",)
_UNITS = {"us": 1, "ms": 1000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_SIZES = {"": 1, "K": 1024, "M": 1024 ** 2, "G": 1024 ** 3, "T": 1024 ** 4}


def connections(parameters):
    return parameters["connections"]


def expected_seconds(parameters):
    return parameters["seconds"] + 1


def run(measurement, parameters):
    if parameters["rate"]:
        parameters.pop("threads", None)
        return requests(measurement, measurement.request("fast"), parameters)
    if shutil.which("wrk") is None or measurement.server.target[0] == socket.AF_UNIX:
        measurement.context.note("throughput: there is no wrk for this; clients of our own are the closed loop")
        return requests(measurement, measurement.request("fast"), parameters)
    return wrk(measurement, parameters)


def requests(measurement, data, parameters, fresh=False):
    """Lets our own clients send `data` for parameters["seconds"], at parameters["rate"] or as fast as answers come."""
    start = time.monotonic() + 0.1
    measurement.begin(start)
    crew = measurement.crew(
        "requests", start=start, connections=parameters["connections"], rate=parameters["rate"],
        until=start + parameters["seconds"], requests=None, data=data, fresh=fresh)
    measurement.watch(lambda: crew.finished, parameters["seconds"] / 2)
    measurement.balance_now()
    measurement.watch(lambda: crew.finished, parameters["seconds"] / 2 + measurement.context.timeout + 2)
    return measurement.result(corrected=bool(parameters["rate"]))


def wrk(measurement, parameters, script=()):
    """`script`: a file in Lua that makes the requests, and its arguments."""
    duration = max(1, round(parameters["seconds"]))
    path = measurement.server.paths["fast"]
    fields = [word for field in measurement.context.fields for word in ("-H", field)]
    host, port = measurement.server.target[1][:2]
    url = f"{'https' if measurement.server.spec.tls else 'http'}://{f'[{host}]' if ':' in host else host}:{port}{path}"
    command = ["wrk", f"-t{parameters['threads']}", f"-c{max(parameters['connections'], parameters['threads'])}",
               f"-d{duration}s", "--latency", "--timeout", f"{max(1, round(measurement.context.timeout))}s", *fields,
               *(["-s", script[0]] if script else []), url,
               *(["--", *script[1:]] if script else [])]
    return parsed(measurement, said(measurement, command, duration, parameters["connections"]))


def said(measurement, command, duration, connections):
    """Runs a client for its `duration` in seconds; returns what it prints."""
    with tempfile.TemporaryFile("w+") as output:
        measurement.begin()
        measurement.others_open = connections
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                   preexec_fn=die_with_parent, start_new_session=True)
        try:
            measurement.watch(lambda: process.poll() is not None, duration / 2)
            measurement.balance_now()
            measurement.watch(lambda: process.poll() is not None, duration / 2 + 10)
            measurement.end()
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        output.seek(0)
        return output.read()


def parsed(measurement, text):
    found = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m|h), ([\d.]+)([KMGT]?)B read", text)
    if not found:
        measurement.errors["wrk failed"] = 1
        measurement.context.note("throughput: wrk said: " + text.strip()[-300:])
        return measurement.result(requests=0, latency={}, throughput=False)
    count = int(found[1])
    if failed := re.search(r"Non-2xx or 3xx responses: (\d+)", text):
        measurement.errors["status not 2xx or 3xx"] = int(failed[1])
    if broken := re.search(r"Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)", text):
        for kind, number in zip(("connect", "read", "write", "timeout"), broken.groups()):
            if int(number):
                measurement.errors[kind] = int(number)
    return measurement.result(requests=count, latency=_latency(text, count),
                              bytes_read=int(float(found[4]) * _SIZES[found[5]]))


def _latency(text, count):
    """Returns the latency that wrk prints: mean, deviation, maximum and a curve of four percentiles."""
    percentiles = {name: _us(*value) for name, *value in
                   re.findall(r"^\s+(50|75|90|99)%\s+([\d.]+)(us|ms|s|m|h)\s*$", text, re.MULTILINE)}
    summary = re.search(r"Latency\s+([\d.]+)(us|ms|s|m|h)\s+([\d.]+)(us|ms|s|m|h)\s+([\d.]+)(us|ms|s|m|h)", text)
    if not summary or not count:
        return None
    mean, stdev, most = (_us(*summary.group(at, at + 1)) for at in (1, 3, 5))
    percentiles["100"] = most
    return {"unit": "us", "count": count, "mean": mean, "min": None, "max": most, "stdev": stdev,
            "percentiles": percentiles, "curve": [[float(name), value] for name, value in percentiles.items()],
            "corrected": False}


def _us(number, unit):
    return round(float(number) * _UNITS[unit], 1)

"""The scenarios. Each is a module with PARAMETERS, PATHS (the server's paths that it uses), connections(p) (the most
open at once), expected_seconds(p), run(measurement, p) -> its dict in a result; held_at_once(p) if requests wait."""

from kinds import Refused

from . import churn, download, fanout, hold, holds, idle, mixed, reload, slow, throughput, upload, websocket
from .parameters import parsed

SCENARIOS = {"throughput": throughput, "hold": hold, "idle": idle, "churn": churn, "slow": slow, "mixed": mixed,
             "fanout": fanout, "reload": reload, "upload": upload, "download": download, "websocket": websocket,
             "holds": holds}


class Chosen:
    """A scenario with its parameters, as NAME[:key=value,...] chose them."""

    def __init__(self, text, defaults):
        self.name, _, rest = text.partition(":")
        if self.name not in SCENARIOS:
            raise Refused(f"there is no scenario '{self.name}'; there are {', '.join(SCENARIOS)}")
        self.module = SCENARIOS[self.name]
        self.parameters = parsed(self.name, self.module.PARAMETERS, rest, defaults)

    @property
    def connections(self):
        return self.module.connections(self.parameters)

    @property
    def held(self):
        """The most requests that wait at once; 0 if none waits."""
        return getattr(self.module, "held_at_once", lambda parameters: 0)(self.parameters)

    @property
    def seconds(self):
        return self.module.expected_seconds(self.parameters)


def described():
    """For --help: each scenario's text and its parameters."""
    lines = []
    for module in SCENARIOS.values():
        lines += ["", *(f"  {line}".rstrip() for line in module.__doc__.strip().splitlines())]
        for key, parameter in module.PARAMETERS.items():
            default = "" if parameter.default is None else f" ({parameter.default})"
            lines.append(f"      {key:12} {parameter.help}{default}")
    return "\n".join(lines)

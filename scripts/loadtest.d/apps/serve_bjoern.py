"""Serves MODULE:ATTRIBUTE with bjoern on the port that the kernel picks."""

import importlib
import sys

import bjoern

module, _, attribute = sys.argv[1].partition(":")
app = getattr(importlib.import_module(module), attribute)
bjoern.listen(app, "127.0.0.1", 0)
host, port = bjoern._default_instance[0].getsockname()
print(f"Listening at: http://{host}:{port}", flush=True)
bjoern.run()

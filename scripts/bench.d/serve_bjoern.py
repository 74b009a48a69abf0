"""Serves hello.py with bjoern on the port that the kernel picks."""

import bjoern
import hello

bjoern.listen(hello.app_with_date_and_server, "127.0.0.1", 0)
host, port = bjoern._default_instance[0].getsockname()
print(f"Listening at: http://{host}:{port}", flush=True)
bjoern.run()

"""The servers that are compared: the name of each row, and the server and flags that scripts/loadtest starts for it."""

import os
import ssl
import sys
import tempfile
import types

import kinds
from servers import Server, Spec

CONNECTIONS = 6000
# Of those that are asked to hold more.
HELD = 19000
ASGI_LOOP = ["--asgi-loop", "uvloop"]
BUS_WORKERS = 6
# Somebody reads what is counted.
ADMIN_SOCKET = f"{tempfile.gettempdir()}/evgateway-bench-{os.getpid()}.sock"
ADMIN = ["--admin-bind", f"unix:{ADMIN_SOCKET}"]
# Not the same, because both servers may run at once.
STICKY_ADMIN = f"{tempfile.gettempdir()}/evgateway-bench-{os.getpid()}-sticky.sock"
WEBSOCKET_APP = "websocket_app"
SWIFT_WEBSOCKET = f"evgateway:class=swift,app={kinds.shown(kinds.RELEASE / 'example-websocket-echo')}"

GUNICORN_TLS = ["--certfile", kinds.CERTIFICATE, "--keyfile", kinds.KEY]

CONTESTANTS = {
    "evgateway-inline": ("evgateway:class=inline,app=hello:app", []),
    "bjoern": ("bjoern:app=hello:app_with_date_and_server", []),
    "fastpysgi": ("fastpysgi:app=hello:app", []),
    "gunicorn-gevent": ("gunicorn-gevent:app=hello:app", []),
    "gunicorn-gthread": ("gunicorn-gthread:threads=64,app=hello:app", []),
    "evgateway-gevent": ("evgateway:class=gevent,app=hello:app", []),
    "evgateway-threads": ("evgateway:class=threads,threads=8,app=hello:app", []),
    "granian-wsgi": ("granian:class=wsgi,threads=8,app=hello:app", []),
    "evgateway-asgi": ("evgateway:class=asgi,app=hello:asgi", ASGI_LOOP),
    "uvicorn": ("uvicorn:app=hello:asgi", []),
    "granian-asgi": ("granian:class=asgi,app=hello:asgi", []),
    "evgateway-swift": (f"evgateway:class=swift,app={kinds.shown(kinds.RELEASE / 'example-hello')}", []),
    "hummingbird": ("hummingbird", []),
    "bare-c": ("bare-c", []),
    "evgateway-asyncio": ("evgateway:class=asgi,app=hello:asgi", []),
    "gunicorn-asgi": ("gunicorn-asgi:app=hello:asgi", ASGI_LOOP),
    "uvicorn-wsproto": ("uvicorn:app=hello:asgi", ["--ws", "wsproto"]),
    "hypercorn": ("hypercorn:app=hello:asgi", []),
    "evgateway-swift-websocket": (SWIFT_WEBSOCKET, []),
    "evgateway-swift-websocket-task": (SWIFT_WEBSOCKET, []),
    "bare-c-websocket": ("bare-c-websocket", []),
    **{f"evgateway-{name}-admin": (f"evgateway:class={spec}", [*flags, *ADMIN]) for name, spec, flags in (
        ("inline", "inline,app=hello:app", []),
        ("threads", "threads,threads=8,app=hello:app", []),
        ("gevent", "gevent,app=hello:app", []),
        ("asgi", "asgi,app=hello:asgi", ASGI_LOOP),
        ("swift", f"swift,app={kinds.shown(kinds.RELEASE / 'example-hello')}", []))},
    "evgateway-inline-tls": ("evgateway:class=inline,app=hello:app", GUNICORN_TLS),
    "evgateway-asgi-tls": ("evgateway:class=asgi,app=hello:asgi", [*ASGI_LOOP, *GUNICORN_TLS]),
    "evgateway-swift-tls": (f"evgateway:class=swift,app={kinds.shown(kinds.RELEASE / 'example-hello')}", GUNICORN_TLS),
    "uvicorn-tls": ("uvicorn:app=hello:asgi", ["--ssl-certfile", kinds.CERTIFICATE, "--ssl-keyfile", kinds.KEY]),
    "granian-asgi-tls": ("granian:class=asgi,app=hello:asgi", ["--ssl-certificate", kinds.CERTIFICATE, "--ssl-keyfile",
                                                               kinds.KEY]),
    "nginx-tls": ("nginx", []),
    "evgateway-asgi-http2": ("evgateway:class=asgi,app=hello:asgi", [*ASGI_LOOP, "--http2-cleartext"]),
    "evgateway-swift-http2": (f"evgateway:class=swift,app={kinds.shown(kinds.RELEASE / 'example-hello')}",
                              ["--http2-cleartext"]),
    "granian-asgi-http2": ("granian:class=asgi,app=hello:asgi", ["--http", "2"]),
    "hypercorn-http2": ("hypercorn:app=hello:asgi", []),
    "hummingbird-http2": ("hummingbird", ["--http2"]),
    **{f"evgateway-grip-{name}": (f"evgateway-grip:class={name},threads=8,connections={HELD}", []) for name in (
        "inline", "threads", "gevent", "asgi")},
    "evgateway-inline-4": ("evgateway:class=inline,workers=4,app=hello:app", []),
    "evgateway-inline-4-sticky": ("evgateway:class=inline,workers=4,app=hello:app",
                                  ["--sticky", "query:s", "--admin-bind", f"unix:{STICKY_ADMIN}"]),
    "evgateway-bus-threads": (f"evgateway:class=threads,threads=2,workers={BUS_WORKERS},app=news:app,"
                              f"python={sys.executable}", []),
    "pushpin": (f"pushpin:connections={HELD}", []),
    "bare-c-holds": ("bare-c-holds", []),
    "evgateway-chat": ("evgateway:class=swift", []),
    "evgateway-gevent-held": ("evgateway:class=gevent", []),
    "evgateway-asgi-held": ("evgateway:class=asgi", ASGI_LOOP),
    "evgateway-django": ("evgateway:class=threads,threads=8,workers=4,app=hello_django:app", []),
    "evgateway-django-preload": ("evgateway:class=threads,threads=8,workers=4,app=hello_django:app", ["--preload"]),
    "gunicorn-django": ("gunicorn-gthread:threads=8,workers=4,app=hello_django:app", []),
    "gunicorn-django-preload": ("gunicorn-gthread:threads=8,workers=4,app=hello_django:app", ["--preload"]),
}


def spec(name, app="hello"):
    """`app`: the module that is served instead of hello."""
    text, flags = CONTESTANTS[name]
    options = types.SimpleNamespace(worker_class=None, workers=None, threads=None, connections=CONNECTIONS, app=None,
                                    python=None, flags=flags)
    made = Spec(text.replace("app=hello:", f"app={app}:"), options)
    made.websocket = app == WEBSOCKET_APP
    if name.endswith("-tls"):
        kinds.make_certificate()
        made.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        made.tls.check_hostname, made.tls.verify_mode = False, ssl.CERT_NONE
    made.http2 = name.endswith("-http2")
    return made


def started(name, app="hello", through=list, **paths):
    """`paths`: the paths that the scenarios use, if they are not the app's own; `through`: see Server.started."""
    return Server.started(spec(name, app), paths, through)


def described(name, app="hello"):
    """Returns (name, version, the command as one would type it in the root of the repository)."""
    chosen = spec(name, app)
    chosen.kind.build()
    return name, kinds.version(chosen), kinds.typed(chosen.kind.words(chosen))

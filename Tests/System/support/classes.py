"""Every way to call a Python app, with the app that is the same in all of them (Tests/System/apps/both.py)."""

CLASSES = {
    "inline": ("both:wsgi", "-k", "inline"),
    "threads": ("both:wsgi", "-k", "threads"),
    "gevent": ("both:wsgi", "-k", "gevent"),
    "asyncio": ("both:asgi", "-k", "asgi", "--asgi-loop", "asyncio"),
    "uvloop": ("both:asgi", "-k", "asgi", "--asgi-loop", "uvloop"),
}

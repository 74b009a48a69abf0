"""Every way to call a Python app, each with the flags that serve Tests/System/apps/both.py in it."""

CLASSES = {
    "inline": ("both:wsgi", "-k", "inline"),
    "threads": ("both:wsgi", "-k", "threads"),
    "gevent": ("both:wsgi", "-k", "gevent"),
    "asyncio": ("both:asgi", "-k", "asgi", "--asgi-loop", "asyncio"),
    "uvloop": ("both:asgi", "-k", "asgi", "--asgi-loop", "uvloop"),
}

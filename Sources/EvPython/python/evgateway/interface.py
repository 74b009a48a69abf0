"""What a callable is: a WSGI app (PEP 3333), an ASGI 3 app, an ASGI 2 app, which is not served.

Law: it is told by what the callable looks like; nothing is called.
"""
import functools
import inspect

WSGI, ASGI, ASGI2 = "wsgi", "asgi", "asgi2"


def of(app):
    """WSGI, ASGI or ASGI2. What gives no sign either way is taken for WSGI."""
    if inspect.isclass(app):
        # A class is called for an instance: with the scope alone, which is ASGI 2, with all three arguments of ASGI 3
        # and awaited then, or with WSGI's two and iterated.
        if hasattr(app, "__await__"):
            return ASGI
        return ASGI2 if is_coroutine_function(getattr(app, "__call__", None)) else WSGI
    if is_coroutine_function(app) or is_coroutine_function(getattr(type(app), "__call__", None)):
        return ASGI
    if takes(app, 2):
        return WSGI
    if takes(app, 3):
        return ASGI  # hands on to a coroutine function, and returns what that returns
    return ASGI2 if takes(app, 1) else WSGI


def is_coroutine_function(function):
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or hasattr(function, "_is_coroutine")


def takes(app, count):
    """Whether app can be called with so many arguments; True when it does not say."""
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def mismatch(app, expected):
    """Why app is not what is expected ("wsgi", "asgi"; "" for any); None when it is."""
    found = of(app)
    if found == ASGI2:
        return ("is an ASGI 2 app (a double callable), and ASGI 3 is served: "
                "wrap it in asgiref.compatibility.guarantee_single_callable")
    if expected and found != expected:
        use = "asgi" if found == ASGI else "gevent, threads or inline"
        names = {WSGI: "a WSGI app", ASGI: "an ASGI app"}
        return f"is {names[found]}, and {names[expected]} is asked for: use --worker-class {use}"
    return None

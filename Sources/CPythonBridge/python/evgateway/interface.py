"""Tells whether a callable is a WSGI app (PEP 3333), an ASGI 3 app, or what is not served: an ASGI 2 app, or a function
that makes an app.

Law: the answer comes from the callable's type and signature; nothing is called.
"""
import functools
import inspect

WSGI, ASGI, ASGI2, FACTORY = "wsgi", "asgi", "asgi2", "factory"


def of(app):
    """Returns WSGI, ASGI, ASGI2 or FACTORY; WSGI if type and signature do not decide."""
    if inspect.isfunction(app) and needs_nothing(app):
        return FACTORY
    if inspect.isclass(app):
        # The call of a class makes an instance. ASGI 2 gives it the scope and calls the instance. ASGI 3 gives it three
        # arguments, and awaits the instance. WSGI gives it two arguments, and iterates over the instance.
        if hasattr(app, "__await__"):
            return ASGI
        return ASGI2 if is_coroutine_function(getattr(app, "__call__", None)) else WSGI
    if is_coroutine_function(app) or is_coroutine_function(getattr(type(app), "__call__", None)):
        return ASGI
    if takes(app, 2):
        return WSGI
    if takes(app, 3):
        return ASGI  # for example a function that calls a coroutine function and returns its coroutine
    return ASGI2 if takes(app, 1) else WSGI


def is_coroutine_function(function):
    while isinstance(function, functools.partial):
        function = function.func
    return inspect.iscoroutinefunction(function) or hasattr(function, "_is_coroutine")


def needs_nothing(function):
    """Returns True if a function can be called without arguments, and not with any number of them. The parameters of
    an app are required, or have the names of the standards; those of a factory are optional, or there are none."""
    parameters = inspect.signature(function).parameters
    if {"environ", "start_response", "scope"} & parameters.keys():
        return False
    return all(p.kind is not p.VAR_POSITIONAL and (p.default is not p.empty or p.kind is p.VAR_KEYWORD)
               for p in parameters.values())


def looks_like_app(value):
    """Returns True if value is made to be called as an app is: for suggestions. Classes are no apps here."""
    if inspect.isclass(value) or inspect.ismodule(value):
        return False
    function = value if inspect.isfunction(value) else getattr(type(value), "__call__", None)
    if not inspect.isfunction(function):
        return False
    try:
        parameters = list(inspect.signature(function).parameters.values())[0 if function is value else 1:]
    except (TypeError, ValueError):
        return False
    wanted = 3 if is_coroutine_function(function) else 2
    return len(parameters) == wanted and all(
        p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) and p.default is p.empty for p in parameters)


def takes(app, count):
    """Returns True if app, or a hook, can be called with count arguments, or if its signature is not known."""
    try:
        signature = inspect.signature(app)
    except (TypeError, ValueError):
        return True
    try:
        signature.bind(*[None] * count)
    except TypeError:
        return False
    return True


def mismatch(app, expected, text):
    """Returns None if app is what is expected ("wsgi", "asgi", "" for either), else why it is not. text names it."""
    found = of(app)
    if found == FACTORY:
        call = f"{text}()" if ":" in text else "the call, with ()"
        return f"takes no request; is it a factory, a function that makes the app? Then write {call}, or use --factory"
    if found == ASGI2:
        return ("is an ASGI 2 app (a double callable), and ASGI 3 is served: "
                "wrap it in asgiref.compatibility.guarantee_single_callable")
    if expected and found != expected:
        use = "asgi" if found == ASGI else "gevent, threads or inline"
        names = {WSGI: "a WSGI app", ASGI: "an ASGI app"}
        return f"is {names[found]}, and {names[expected]} is asked for: use --worker-class {use}"
    return None

"""A Django project in one file, with the same kind of routes as flask_app."""
import hashlib

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for tests",
    DEBUG=False,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={},
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=None,
    LOGGING={"version": 1, "handlers": {"stderr": {"class": "logging.StreamHandler"}},
             "loggers": {"django": {"handlers": ["stderr"], "level": "ERROR"}}},
)
django.setup()

from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import (  # noqa: E402
    FileResponse, HttpResponse, HttpResponseRedirect, JsonResponse, StreamingHttpResponse)
from django.urls import path  # noqa: E402


def index(request):
    return HttpResponse("django works")


def echo_json(request):
    import json
    return JsonResponse({"received": json.loads(request.body or b"null"), "args": request.GET.dict()})


def form(request):
    return JsonResponse(request.POST.dict())


def upload(request):
    sha, count = hashlib.sha256(), 0
    if request.FILES:
        for file in request.FILES.values():
            for block in file.chunks():
                sha.update(block)
                count += len(block)
    else:
        while block := request.read(65536):
            sha.update(block)
            count += len(block)
    announced = request.META.get("CONTENT_LENGTH")
    return JsonResponse({"announced": announced, "length": count, "sha256": sha.hexdigest()})


def download(request, size):
    def blocks():
        block, left = bytes(range(256)) * 256, size
        while left:
            piece = block[:left]
            left -= len(piece)
            yield piece
    return StreamingHttpResponse(
        blocks(), content_type="application/octet-stream", headers={"Content-Length": str(size)})


def send_file(request):
    return FileResponse(open(__file__, "rb"))


def stream(request, word):
    size = int(request.GET.get("size", "1"))
    lines = (word * size + "\n" for _ in range(int(request.GET["count"])))
    return StreamingHttpResponse(lines, content_type="text/plain")


def redirect(request):
    return HttpResponseRedirect("/")


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    response = HttpResponse(str(request.session["count"]))
    response.set_cookie("plain", "value", max_age=60)
    return response


def unicode(request, name):
    return HttpResponse(f"h\u00e9llo {name}")


def fail(request):
    raise RuntimeError("the secret of the app")


def external(request):
    return HttpResponse(request.build_absolute_uri("/"))


urlpatterns = [
    path("", index), path("json", echo_json), path("form", form), path("upload", upload),
    path("download/<int:size>", download), path("send-file", send_file), path("stream/<word>", stream),
    path("redirect", redirect), path("count", count), path("unicode/<name>", unicode), path("fail", fail),
    path("external", external),
]
application = get_wsgi_application()

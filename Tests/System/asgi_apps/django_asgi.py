"""A Django project on its ASGI handler: async and sync views, a stream, and an upload."""
import asyncio

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for tests", DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DATABASES={},
    SESSION_ENGINE="django.contrib.sessions.backends.signed_cookies",
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.middleware.common.CommonMiddleware"],
)
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402

events = []


async def index(request):
    await asyncio.sleep(0)
    return HttpResponse(f"{request.method} {request.get_full_path()} {request.META['REMOTE_ADDR']}")


def sync(request):
    request.session["visits"] = request.session.get("visits", 0) + 1
    return JsonResponse({"visits": request.session["visits"]})


async def upload(request):
    return JsonResponse({name: file.size for name, file in request.FILES.items()} | request.POST.dict())


async def stream(request):
    async def pieces():
        for number in range(5):
            await asyncio.sleep(0)
            yield f"{number};"
    return StreamingHttpResponse(pieces())


async def held(request):
    events[:] = ["held"]
    try:
        await asyncio.sleep(3600)
    except asyncio.CancelledError:
        events.append("cancelled")
        raise


async def show_events(request):
    return JsonResponse(events, safe=False)


urlpatterns = [
    path("", index), path("sync", sync), path("upload", upload), path("stream", stream), path("held", held),
    path("events", show_events),
]
application = get_asgi_application()

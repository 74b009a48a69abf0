"""A Django project in one file that uses django-grip and django-eventstream as their documents say. GRIP_URL and
DATABASE come from the environment."""

import os

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="not secret, but as long as a key of a token has to be", ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__,
    MIDDLEWARE=["django_grip.GripMiddleware"], GRIP_URL=os.environ["GRIP_URL"], USE_TZ=True,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth", "django_eventstream"],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField", EVENTSTREAM_ALLOW_HEADERS="Last-Event-ID",
    EVENTSTREAM_STORAGE_CLASS="django_eventstream.storage.DjangoModelStorage",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["DATABASE"]}})
django.setup()

from django.core.asgi import get_asgi_application  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.urls import include, path  # noqa: E402
from django_eventstream import send_event  # noqa: E402
from django_grip import publish, set_hold_longpoll, set_hold_stream  # noqa: E402
from gripcontrol import Channel, HttpResponseFormat, HttpStreamFormat  # noqa: E402

call_command("migrate", verbosity=0)


def proxied(request):
    return JsonResponse({"proxied": request.grip.proxied, "signed": request.grip.signed,
                         "features": sorted(request.grip.features)})


def poll(request):
    set_hold_longpoll(request, Channel("poll", prev_id=request.GET.get("after")), timeout=20)
    return HttpResponse("nothing yet\n", content_type="text/plain")


def stream(request):
    set_hold_stream(request, "stream", keep_alive_data="still here\n", keep_alive_timeout=20)
    return HttpResponse("begins\n", content_type="text/plain")


def say(request):
    """Publishes while it is being served."""
    text, waits = request.GET["text"], "blocking" in request.GET
    publish("poll", HttpResponseFormat(body=f"{text}\n"), blocking=waits)
    publish("stream", HttpStreamFormat(f"{text}\n"), blocking=waits)
    return HttpResponse("said\n")


def send(request):
    """Stores an event and publishes it, in the order of requests."""
    send_event("room", "message", {"text": request.GET["text"]}, async_publish=False)
    return HttpResponse("sent\n")


urlpatterns = [
    path("proxied", proxied), path("poll", poll), path("stream", stream), path("say", say), path("send", send),
    path("events/", include("django_eventstream.urls"), {"channels": ["room"]}),
]
application, asgi = get_wsgi_application(), get_asgi_application()

"""A Django project in one file: evgateway Examples/django-hello/app.py"""

import os

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpResponse, JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY=os.environ.get("SECRET_KEY", os.urandom(32).hex()),
)


def index(request):
    return HttpResponse("Hello, World!", content_type="text/plain")


def hello(request, name):
    return JsonResponse({"hello": name})


urlpatterns = [path("", index), path("hello/<name>/", hello)]
application = get_wsgi_application()

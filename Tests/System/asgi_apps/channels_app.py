"""Django Channels: a chat whose room is a group of the layer in memory, behind its routing, and a view of Django's."""
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="only for tests", DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, DATABASES={},
    CHANNEL_LAYERS={"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}},
)
django.setup()

from channels.generic.websocket import AsyncJsonWebsocketConsumer, WebsocketConsumer  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.core.asgi import get_asgi_application  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


class Chat(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["room"]
        await self.channel_layer.group_add(self.room, self.channel_name)
        await self.accept()

    async def receive_json(self, content):
        await self.channel_layer.group_send(self.room, {"type": "said", "content": content})

    async def said(self, event):
        await self.send_json(event["content"])

    async def disconnect(self, code):
        await self.channel_layer.group_send(self.room, {"type": "said", "content": {"left": code}})
        await self.channel_layer.group_discard(self.room, self.channel_name)


class Upper(WebsocketConsumer):
    """Runs on a thread."""

    def connect(self):
        self.close() if self.scope["query_string"] else self.accept()

    def receive(self, text_data=None, bytes_data=None):
        self.send(text_data.upper() if text_data is not None else None, bytes_data)


urlpatterns = [path("", lambda request: HttpResponse("Hello, World!"))]
application = ProtocolTypeRouter({
    "http": get_asgi_application(),
    "websocket": URLRouter([path("chat/<room>", Chat.as_asgi()), path("upper", Upper.as_asgi())]),
})

from os import PathLike
from typing import Any, Callable, Iterable, Mapping, Optional, Union

__all__ = ["Replay", "bus", "leaving", "publish", "run", "serve", "version", "worker"]

from . import bus as bus

class _Worker:
    @property
    def index(self) -> int: ...
    @property
    def age(self) -> int: ...
    @property
    def pid(self) -> int: ...
    @property
    def connections(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def leaving(self) -> bool: ...

class _Leaving:
    def is_set(self) -> bool: ...
    # In class asgi a coroutine, which returns the same.
    def wait(self, timeout: Optional[float] = ...) -> Any: ...
    def on_leave(self, callback: Callable[[], Any]) -> None: ...
    def forget(self, callback: Callable[[], Any]) -> None: ...

class Replay(BaseException): ...

leaving: _Leaving
version: Optional[str]
__version__: Optional[str]
worker: Optional[_Worker]

def serve(
    app: Union[Callable[..., Any], str],
    host: Optional[str] = ...,
    port: Optional[int] = ...,
    listen: Union[str, Iterable[str], None] = ...,
    bind: Union[str, Iterable[str], None] = ...,
    workers: Optional[int] = ...,
    threads: Optional[int] = ...,
    unix_socket: Union[str, PathLike[str], None] = ...,
    **settings: Any,
) -> None: ...
def run(app: Union[Callable[..., Any], str], **arguments: Any) -> None: ...
def publish(
    channel: str,
    data: Any,
    id: Union[str, int, None] = ...,
    prev_id: Union[str, int, None] = ...,
    meta: Optional[Mapping[str, str]] = ...,
) -> None: ...

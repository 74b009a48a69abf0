"""A FastAPI app with lifespan, validation, dependencies, background tasks, streams and uploads."""
import asyncio
import contextlib
import pathlib
import typing

import fastapi
from fastapi import responses
from starlette.middleware.base import BaseHTTPMiddleware


@contextlib.asynccontextmanager
async def lifespan(app):
    yield {"database": "opened"}


app = fastapi.FastAPI(lifespan=lifespan)
done = []


class Marker(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        response = await call_next(request)
        response.headers["x-marker"] = "seen"
        return response


app.add_middleware(Marker)


@app.get("/")
async def index(request: fastapi.Request, name: str = "nobody"):
    return {"hello": name, "state": request.state.database, "client": request.client.host, "url": str(request.url)}


@app.get("/blocking")
def blocking():
    import threading
    return {"main": threading.current_thread() is threading.main_thread()}


@app.get("/number/{number}")
async def number(number: int):
    return number


@app.post("/json")
async def take_json(body: dict):
    return body


@app.post("/upload")
async def upload(file: fastapi.UploadFile, title: typing.Annotated[str, fastapi.Form()]):
    return {"title": title, "name": file.filename, "size": len(await file.read())}


@app.get("/stream")
async def stream():
    async def numbers():
        for number in range(10):
            await asyncio.sleep(0.01)
            yield f"{number}\n"
    return responses.StreamingResponse(numbers())


@app.get("/endless")
async def endless():
    async def ticks():
        done[:] = ["running"]
        try:
            while True:
                await asyncio.sleep(0.01)
                yield b"tick\n"
        finally:
            done[:] = ["ended"]
    return responses.StreamingResponse(ticks())


@app.get("/file")
async def file():
    return responses.FileResponse(pathlib.Path(__file__))


@app.get("/background")
async def background(tasks: fastapi.BackgroundTasks):
    tasks.add_task(done.append, "in the background")
    done.clear()
    return "started"


@app.get("/done")
async def show_done():
    return done


@app.get("/fails")
async def fails():
    raise ZeroDivisionError("in the handler")


@app.get("/is-disconnected")
async def is_disconnected(request: fastapi.Request):
    return await request.is_disconnected()


@app.websocket("/ws/{room}")
async def chat(socket: fastapi.WebSocket, room: str, name: str):
    await socket.accept()
    message = await socket.receive()
    while message.get("text") is not None:
        await socket.send_text(f"{room}, {socket.state.database}: {name} says {message['text']}")
        message = await socket.receive()
    if message["type"] == "websocket.receive":
        await socket.close(1003, "text only")

"""Starlette without FastAPI: bodies as streams, task groups (anyio), and a mounted app."""
import anyio
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocketDisconnect


async def echo(request):
    async def pieces():
        async for piece in request.stream():
            yield piece
    return StreamingResponse(pieces(), media_type="application/octet-stream")


async def form(request):
    async with request.form() as form:
        return JSONResponse({key: value for key, value in form.items()})


async def group(request):
    results = []

    async def work(number):
        await anyio.sleep(0.01)
        results.append(number)
    async with anyio.create_task_group() as tasks:
        for number in range(5):
            tasks.start_soon(work, number)
    with anyio.move_on_after(0.01) as scope:
        await anyio.sleep(60)
    return JSONResponse([sorted(results), scope.cancelled_caught])


async def where(request):
    return PlainTextResponse(str(request.url_for("inner:where")) + " " + request.scope["root_path"])


sockets = set()


async def talk(websocket):
    """Tells everybody what one says; refuses, with a response of its own, whoever has no name."""
    if "name" not in websocket.query_params:
        return await websocket.send_denial_response(PlainTextResponse("who?", status_code=401))
    await websocket.accept(subprotocol=websocket.scope["subprotocols"][0])
    sockets.add(websocket)
    try:
        async for text in websocket.iter_text():
            for other in sockets:
                await other.send_text(f"{websocket.query_params['name']}: {text}")
    except WebSocketDisconnect:
        pass
    sockets.remove(websocket)


class Numbers(WebSocketEndpoint):
    encoding = "json"

    async def on_receive(self, websocket, data):
        if not data:
            return await websocket.close(4001, "nothing to add")
        await websocket.send_json({"sum": sum(data), "url": str(websocket.url)})


app = Starlette(routes=[
    Route("/echo", echo, methods=["POST"]), Route("/form", form, methods=["POST"]), Route("/group", group),
    Mount("/mounted", name="inner", routes=[Route("/where", where, name="where"), WebSocketRoute("/numbers", Numbers)]),
    WebSocketRoute("/talk", talk),
])

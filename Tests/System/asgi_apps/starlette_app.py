"""Starlette without FastAPI: bodies as streams, task groups (anyio), and a mounted app."""
import anyio
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route


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


app = Starlette(routes=[
    Route("/echo", echo, methods=["POST"]), Route("/form", form, methods=["POST"]), Route("/group", group),
    Mount("/mounted", name="inner", routes=[Route("/where", where, name="where")]),
])

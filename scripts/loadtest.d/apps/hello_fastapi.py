"""A hello from FastAPI, in JSON, as is usual for that framework."""

from fastapi import FastAPI

asgi = FastAPI()


@asgi.get("/")
async def hello():
    return {"hello": "world"}

"""A hello from FastAPI: JSON, as that framework is made for."""

from fastapi import FastAPI

asgi = FastAPI()


@asgi.get("/")
async def hello():
    return {"hello": "world"}

"""Starlette with CORSMiddleware, as its docs show it."""

import asyncio
import json
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route


async def ping(request):
    return PlainTextResponse("pong")


async def mode(request):
    try:
        content = await request.json()
    except json.JSONDecodeError:
        raise HTTPException(400, "not JSON") from None
    if "mode" not in content:
        raise HTTPException(422, "the field 'mode' is missing")
    return PlainTextResponse(content["mode"])


async def panic(request):
    raise RuntimeError("secret")


async def slow(request):
    await asyncio.sleep(60)
    return PlainTextResponse("late")


cors = Middleware(
    CORSMiddleware,
    allow_origins=["https://app.example.com"],
    allow_credentials=True,
    allow_methods=["GET", "POST", "PUT", "DELETE"],
    allow_headers=["Authorization", "Content-Type"],
)
routes = [
    Route("/ping", ping),
    Route("/mode", mode, methods=["POST"]),
    Route("/panic", panic),
    Route("/slow", slow),
]
app = Starlette(routes=routes, middleware=[cors])

if __name__ == "__main__":
    listener = socket.create_server(("127.0.0.1", 0))
    print(f"listening on http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    uvicorn.Server(uvicorn.Config(app, log_level="critical")).run(sockets=[listener])

"""The handler tree on FastAPI (Starlette's router) and uvicorn: ``python -m tests.upstreams.fastapi_app PORT STATIC_FOLDER``."""

import sys
from urllib.parse import quote

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles


def said(request: Request, handler: str) -> Response:
    """Which handler ran and which path it saw."""
    return Response(handler, headers={"x-handler": handler, "x-saw": quote(request.url.path, safe="")})


def users() -> FastAPI:
    """An application of its own, mounted as larger services do."""
    app = FastAPI(openapi_url=None)

    @app.get("/users")
    def _list(request: Request) -> Response:
        return said(request, "protected:users")

    @app.get("/users/help")
    def _help(request: Request) -> Response:
        return said(request, "public:help")

    @app.get("/users/{user_id}")
    def _user(request: Request, user_id: str) -> Response:
        return said(request, "protected:users")

    return app


def application(static: str) -> FastAPI:
    """All handlers."""
    app = FastAPI(openapi_url=None)

    @app.get("/")
    def _home(request: Request) -> Response:
        return said(request, "public:home")

    @app.get("/admin")
    @app.get("/admin/{rest:path}")
    def _admin(request: Request, rest: str = "") -> Response:
        return said(request, "protected:admin")

    @app.get("/public/private")
    @app.get("/public/private/{rest:path}")
    def _private(request: Request, rest: str = "") -> Response:
        return said(request, "protected:private")

    @app.get("/files/{name}")
    def _file(request: Request, name: str) -> Response:
        return said(request, "public:file")

    app.mount("/api/v1", users())
    app.mount("/static", StaticFiles(directory=static))

    @app.get("/{rest:path}")
    def _any(request: Request, rest: str) -> Response:
        return said(request, "public:any")

    return app


if __name__ == "__main__":
    uvicorn.run(application(sys.argv[2]), port=int(sys.argv[1]), log_level="warning", access_log=False)

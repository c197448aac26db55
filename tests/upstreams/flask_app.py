"""The handler tree on Flask and Werkzeug's own server: ``python -m tests.upstreams.flask_app PORT STATIC_FOLDER``."""

import logging
import sys
from urllib.parse import quote

from flask import Blueprint, Flask, Response, request
from werkzeug.serving import WSGIRequestHandler, run_simple


def said(handler: str) -> Response:
    """Which handler ran and which path it saw."""
    return Response(handler, headers={"x-handler": handler, "x-saw": quote(request.path, safe="")})


def users() -> Blueprint:
    """The API of users."""
    blueprint = Blueprint("users", __name__, url_prefix="/api/v1/users")
    blueprint.add_url_rule("", "list", lambda: said("protected:users"))
    blueprint.add_url_rule("/help", "help", lambda: said("public:help"))
    blueprint.add_url_rule("/<user_id>", "user", lambda user_id: said("protected:users"))
    return blueprint


def application(static: str) -> Flask:
    """All handlers."""
    app = Flask(__name__, static_folder=static, static_url_path="/static")
    app.url_map.strict_slashes = False
    app.add_url_rule("/", "home", lambda: said("public:home"))
    for prefix, handler in (("/admin", "protected:admin"), ("/public/private", "protected:private")):
        app.add_url_rule(prefix, f"{handler}-top", lambda handler=handler: said(handler))
        app.add_url_rule(f"{prefix}/<path:rest>", handler, lambda rest, handler=handler: said(handler))
    app.add_url_rule("/files/<name>", "file", lambda name: said("public:file"))
    app.register_blueprint(users())
    app.add_url_rule("/<path:rest>", "any", lambda rest: said("public:any"))
    return app


class KeptAlive(WSGIRequestHandler):
    """Connections stay open, as behind a real WSGI server."""

    protocol_version = "HTTP/1.1"


if __name__ == "__main__":
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    run_simple("127.0.0.1", int(sys.argv[1]), application(sys.argv[2]), threaded=True, request_handler=KeptAlive)

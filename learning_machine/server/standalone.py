"""The app alone, under uvicorn."""

from __future__ import annotations

import logging
import socket
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from learning_machine.errors import ConfigurationError
from learning_machine.server.application import create_app
from learning_machine.server.callers import Authentication, LocalAuthentication, TokenAuthentication, is_loopback
from learning_machine.server.machines import Given
from learning_machine.server.tokens import Tokens

log = logging.getLogger("learning_machine.server")


def authentication(host: str, tokens: Tokens) -> Authentication:
    """Tokens where there are any. Without, only this computer is answered, and no public address opened."""
    if len(tokens):
        return TokenAuthentication(tokens)
    if not is_loopback(host):
        raise ConfigurationError(
            f"{host!r} can be reached from elsewhere, and there are no tokens. Make one with `learning-machine token add`, "
            "or serve on 127.0.0.1."
        )
    return LocalAuthentication()


def server(machines: Given, *, host: str = "127.0.0.1", port: int = 8100, tokens: Path | None = None) -> uvicorn.Server:
    """The server, not yet running: `run()` it. It logs routes of failures and never a path, which could hold ids."""
    app = create_app(machines, auth=authentication(host, Tokens.from_environment(tokens)), closes=True)
    return uvicorn.Server(configured(app, host, port))


def configured(app: FastAPI, host: str, port: int) -> uvicorn.Config:
    return uvicorn.Config(app, host=host, port=port, log_level="warning", access_log=False, server_header=False)


def free_port(host: str = "127.0.0.1") -> int:
    """A port nobody uses just now."""
    with socket.socket() as found:
        found.bind((host, 0))
        return int(found.getsockname()[1])

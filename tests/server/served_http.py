"""The server's own app: the machines learn as long as the server runs."""

from starlette.applications import Starlette

from learning_machine.graphs.exports import lifespan

app = Starlette(lifespan=lifespan)

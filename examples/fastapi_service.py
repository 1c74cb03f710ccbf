"""A plain web service around an agent that learns: one file, no LangGraph server.

    pip install 'langgraph-learning-machine[embedded]' fastapi uvicorn
    python examples/fastapi_service.py            # http://127.0.0.1:8000, stop with Ctrl-C

    curl -N -H 'X-User: alice' -H 'Content-Type: application/json' \
         -d '{"text": "My name is Alice."}' http://127.0.0.1:8000/threads/1/turns

Who speaks is what your authentication says; here it is a header, which is none. With `LEARNING_MACHINE_DATABASE_URL` any
number of these processes share one Postgres, and each helps with the reading.
"""

from __future__ import annotations

import argparse
from collections.abc import AsyncIterator
from typing import Annotated, Any

import uvicorn
from fastapi import Depends, FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from learning_machine import LearningMachine, create_learning_agent

machine = LearningMachine(user_profile=True, session_context=True)
agent = create_learning_agent(learning=machine)
# Ready before the first request; after the last one the worker finishes what it has in hand.
app = FastAPI(title="An agent that learns", lifespan=machine.lifespan)


class Turn(BaseModel):
    """What somebody says."""

    text: str


def user(x_user: Annotated[str | None, Header()] = None) -> str:
    """Who speaks. Put your own authentication here: what it says decides what is recalled and whose it is."""
    if not x_user:
        raise HTTPException(401, "who are you?")
    return x_user


User = Annotated[str, Depends(user)]


@app.post("/threads/{thread}/turns")
async def answer(thread: str, turn: Turn, user: User) -> StreamingResponse:
    """The answer, token by token."""
    return StreamingResponse(tokens(thread, turn.text, user), media_type="text/plain; charset=utf-8")


async def tokens(thread: str, text: str, user: str) -> AsyncIterator[str]:
    # A thread belongs to who began it: with the user in its name nobody reads on in another's.
    config: Any = {"configurable": {"thread_id": f"{user}/{thread}"}}
    given = {"messages": [{"role": "user", "content": text}]}
    async for token, _ in agent.astream(given, config, context={"user_id": user}, stream_mode="messages"):
        yield token.text


@app.get("/me")
async def known(user: User) -> dict[str, str]:
    """What is known of who asks."""
    return {"context": await machine.abuild_context(user_id=user)}


@app.get("/ready")
def ready() -> dict[str, Any]:
    """Whether the database answers, and how much waits to be read."""
    return dict(machine.queue_depth())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="A web service around an agent that learns.")
    parser.add_argument("--port", type=int, default=8000)
    uvicorn.run(app, host="127.0.0.1", port=parser.parse_args().port)

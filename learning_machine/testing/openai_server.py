"""A small real HTTP server that speaks OpenAI's chat completions, so that a real client can be tested against a script."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, convert_to_messages

from learning_machine.testing.scripted import ScriptedModel, extraction_request


class OpenAIServer:
    """Answers `POST …/chat/completions` on 127.0.0.1 from a script, plain or streamed, and keeps what it was asked.

    `model` is the script: a `ScriptedModel`, or what one is made of (`answers=`, `learns=`). `delay` is how long an
    answer takes, in seconds. With `refuse_formats` or `refuse_tools` an HTTP status, requests that bring a
    `response_format` or tools are refused with it, as services do that do not know them.

    >>> with OpenAIServer(answers="Hello!") as server:
    ...     server.base_url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        model: BaseChatModel | None = None,
        *,
        delay: float = 0.0,
        refuse_formats: int | None = None,
        refuse_tools: int | None = None,
        **script: Any,
    ) -> None:
        self.model = model or ScriptedModel(**script)
        self.delay, self.refuse_formats, self.refuse_tools = delay, refuse_formats, refuse_tools
        self._requests: list[dict[str, Any]] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    # --- what it was asked --------------------------------------------------------------------------------------------

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The bodies of all requests so far, refused ones too, in order of arrival."""
        with self._lock:
            return list(self._requests)

    @property
    def extractions(self) -> list[dict[str, Any]]:
        """Those that ask for an extraction."""
        return [body for body in self.requests if extraction_request(convert_to_messages(body["messages"])) is not None]

    @property
    def conversations(self) -> list[dict[str, Any]]:
        """Those that do not."""
        return [body for body in self.requests if extraction_request(convert_to_messages(body["messages"])) is None]

    # --- life ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- answering ----------------------------------------------------------------------------------------------------

    def answer(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """The status and body for a request, as one completion."""
        with self._lock:
            self._requests.append(body)
        time.sleep(self.delay)
        if self.refuse_formats is not None and "response_format" in body:
            return self.refuse_formats, _error("response_format is not supported")
        if self.refuse_tools is not None and body.get("tools"):
            return self.refuse_tools, _error("tools are not supported")
        forced = isinstance(body.get("tool_choice"), dict) or body.get("tool_choice") == "required"
        message = self.model.invoke(convert_to_messages(body["messages"]))
        return 200, _completion(body, message, _forced_tool(body) if forced else None)


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            try:
                body = json.loads(self.rfile.read(length))
            except ValueError:
                return self._send(400, _error("the body is no JSON"))
            if not self.path.endswith("/chat/completions"):
                return self._send(404, _error("only chat completions are served here"))
            status, reply = server.answer(body)
            return self._stream(reply, body) if status == 200 and body.get("stream") else self._send(status, reply)

        def _send(self, status: int, reply: dict[str, Any]) -> None:
            content = json.dumps(reply).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _stream(self, reply: dict[str, Any], body: dict[str, Any]) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            for chunk in _chunks(reply, usage=usage):
                self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())
                self.wfile.flush()
            self.wfile.write(b"data: [DONE]\n\n")
            self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            """Say nothing: a test's output is its own."""

    return Handler


def _error(text: str) -> dict[str, Any]:
    return {"error": {"message": text, "type": "invalid_request_error", "param": None, "code": None}}


def _forced_tool(body: dict[str, Any]) -> str:
    """The name of the tool that a request insists on."""
    choice = body.get("tool_choice")
    named = choice.get("function", {}).get("name") if isinstance(choice, dict) else None
    return str(named or body["tools"][0]["function"]["name"])


def _completion(body: dict[str, Any], message: AIMessage, tool: str | None) -> dict[str, Any]:
    """The message as one chat completion; with a `tool`, its text as that tool's arguments."""
    spoken: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    calls = [_call(call["name"], json.dumps(call["args"]), call["id"]) for call in message.tool_calls]
    if tool is not None:
        spoken["content"], calls = None, [_call(tool, message.text, None)]
    if calls:
        spoken["tool_calls"] = calls
    used = message.usage_metadata or {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    return {
        "id": f"chatcmpl-{uuid4().hex}",
        "object": "chat.completion",
        "created": int(time.time()),
        "model": body.get("model", "scripted"),
        "choices": [{"index": 0, "message": spoken, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": {
            "prompt_tokens": used["input_tokens"],
            "completion_tokens": used["output_tokens"],
            "total_tokens": used["total_tokens"],
        },
    }


def _call(name: str, arguments: str, id: str | None) -> dict[str, Any]:
    return {
        "id": id or f"call_{uuid4().hex[:12]}",
        "type": "function",
        "function": {"name": name, "arguments": arguments},
    }


def _chunks(reply: dict[str, Any], *, usage: bool) -> Iterator[dict[str, Any]]:
    """A completion as the events of a stream: a word each, tool calls whole, then the end, then what it cost."""
    choice = reply["choices"][0]
    message = choice["message"]
    head = {**reply, "object": "chat.completion.chunk"}
    head.pop("usage")
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    words = (message["content"] or "").split(" ")
    deltas += [{"content": word if at == 0 else f" {word}"} for at, word in enumerate(words) if word or at]
    if message.get("tool_calls"):
        deltas.append({"tool_calls": [{"index": at, **call} for at, call in enumerate(message["tool_calls"])]})
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    if usage:
        yield {**head, "choices": [], "usage": reply["usage"]}

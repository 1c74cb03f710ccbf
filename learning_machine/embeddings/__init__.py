"""Which embeddings are meant: an instance, a name, or what the environment says; else the table in the package."""

from __future__ import annotations

import os
import re
from typing import Any

from langchain_core.embeddings import Embeddings

from learning_machine.embeddings.static import STATIC_NAME, StaticEmbeddings
from learning_machine.errors import ConfigurationError

__all__ = ["STATIC_NAME", "StaticEmbeddings", "embedding_dimension", "embedding_name", "resolve_embeddings"]

#: The short name of the table in the package.
STATIC = "static"
_EXAMPLE = "openai:text-embedding-3-small"
_PACKAGE = re.compile(r"pip install ([\w.-]+)")
_KEY = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:API_KEY|API_TOKEN|KEY|TOKEN)\b")
# Counting tokens before sending would download a tokenizer, and servers other than OpenAI's expect plain text.
_OPTIONS: dict[str, dict[str, Any]] = {
    "openai": {"check_embedding_ctx_length": False},
    "azure_openai": {"check_embedding_ctx_length": False},
}


def resolve_embeddings(embeddings: Embeddings | str | None) -> Embeddings:
    """The embeddings that were given, named, or found in the environment (`LEARNING_MACHINE_EMBEDDINGS`).

    A name is one that `init_embeddings` knows, such as `"openai:text-embedding-3-small"`, or `"static"`: the table in
    the package, which is also what is used when nothing is named.
    """
    if isinstance(embeddings, Embeddings):
        return embeddings
    if embeddings is None:
        embeddings = os.environ.get("LEARNING_MACHINE_EMBEDDINGS", "").strip() or STATIC
    if not isinstance(embeddings, str) or not embeddings.strip():
        raise ConfigurationError(
            f"Embeddings cannot be a {type(embeddings).__name__} like this. Pass LangChain embeddings, or their name "
            f"such as {_EXAMPLE!r}."
        )
    name = embeddings.strip()
    return StaticEmbeddings() if name in (STATIC, STATIC_NAME) else _started(name)


def embedding_name(embeddings: Embeddings) -> str:
    """A name that is the same in every process as long as the vectors are comparable, such as `"openai:…-3-small"`.

    It is made of the provider and the model; a shortened vector has its length in it. For a class of your own, give it
    a `name`, and change that whenever its vectors change.
    """
    if isinstance(embeddings, StaticEmbeddings):
        return STATIC_NAME
    names = (getattr(embeddings, attribute, None) for attribute in ("name", "model", "model_name", "model_id"))
    model = next((name for name in names if isinstance(name, str) and name), type(embeddings).__name__)
    package = type(embeddings).__module__.partition(".")[0]
    provider = f"{package.removeprefix('langchain_')}:" if package.startswith("langchain_") else ""
    shortened = getattr(embeddings, "dimensions", None)
    return f"{provider}{model}@{shortened}" if isinstance(shortened, int) else f"{provider}{model}"


def embedding_dimension(embeddings: Embeddings) -> int:
    """How many numbers a vector of these embeddings has, found out by embedding one word."""
    try:
        size = len(embeddings.embed_query("word"))
    except Exception as error:  # noqa: BLE001  every provider has errors of its own, which may show what they were sent
        raise ConfigurationError(
            f"The embeddings {embedding_name(embeddings)!r} do not answer ({type(error).__name__}). Check their name, "
            "key and address, or pass other embeddings."
        ) from None
    if size < 1:
        raise ConfigurationError(
            f"The embeddings {embedding_name(embeddings)!r} return empty vectors. Pass other embeddings."
        )
    return size


def _started(name: str) -> Embeddings:
    """The embeddings of this name. A provider's own error is not passed on: it may repeat its configuration."""
    from langchain.embeddings import init_embeddings  # here, because it takes a second that many uses never need

    options = _OPTIONS.get(name.partition(":")[0].strip().lower(), {})
    try:
        return init_embeddings(name, **options)
    except ImportError as error:
        package = _PACKAGE.search(str(error))
        remedy = f"Install it: pip install {package[1]}." if package else "Install it, or pass embeddings."
        raise ConfigurationError(f"{_about(name)} Its package is missing. {remedy}") from None
    except Exception as error:  # noqa: BLE001  every provider has errors of its own
        raise ConfigurationError(f"{_about(name)} {_what_to_do(error)}") from None


def _about(name: str) -> str:
    """The name, unless it looks like a key that got into the wrong place."""
    shown = "it looks like a key, so it is not shown" if re.match(r"sk-|\S{80}", name) else repr(name)
    return f"The embeddings {shown} cannot be used."


def _what_to_do(error: Exception) -> str:
    """What the provider complained of, in our words."""
    said = str(error)
    if isinstance(error, ValueError) and re.search(r"[Pp]rovider|[Mm]odel name|[Mm]ust specify", said):
        return f"Write provider:model, such as {_EXAMPLE!r}, or {STATIC!r} for the table in the package."
    key = _KEY.search(said)
    if key:
        return f"Its key is missing. Set {key[0]}, or pass embeddings of your own."
    return f"Its provider refused it ({type(error).__name__}). Check its name, key and address, or pass embeddings."

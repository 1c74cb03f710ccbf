"""Which chat model is meant: an instance, a name, or what the environment offers."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from langchain_core.language_models import BaseChatModel

from learning_machine.errors import ConfigurationError
from learning_machine.offline import OfflineModel

#: Taken when there is a key for an OpenAI-compatible service and no model was named.
DEFAULT_MODEL = "openai:gpt-4.1-mini"
#: The name of the model that needs no key.
OFFLINE = "offline"
_PACKAGE = re.compile(r"pip install ([\w.-]+)")
_KEY = re.compile(r"\b[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:API_KEY|API_TOKEN|KEY|TOKEN)\b")


def resolve_model(model: BaseChatModel | str | None) -> BaseChatModel:
    """The chat model that was given, named, or found in the environment: `LEARNING_MACHINE_MODEL`, else an OpenAI key.

    A name is one that `init_chat_model` knows, such as `"openai:gpt-4.1-mini"`, or `"offline"`. Without any of these it
    is the offline pattern model, which is no language model.
    """
    if isinstance(model, BaseChatModel):
        return model
    if model is None:
        model = _name_in(os.environ)
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(
            f"A chat model cannot be a {type(model).__name__} like this. Pass a LangChain chat model, or its name "
            f"such as {DEFAULT_MODEL!r}."
        )
    return OfflineModel() if model.strip() == OFFLINE else _started(model.strip())


def describe_model(model: BaseChatModel) -> str:
    """A short name for people; of the offline model that it is none."""
    if isinstance(model, OfflineModel):
        return "offline pattern model (no language model)"
    names = (getattr(model, attribute, None) for attribute in ("model_name", "model", "model_id"))
    return next((name for name in names if isinstance(name, str) and name), type(model).__name__)


def _name_in(environment: Mapping[str, str]) -> str:
    named = environment.get("LEARNING_MACHINE_MODEL", "").strip()
    return named or (DEFAULT_MODEL if environment.get("OPENAI_API_KEY", "").strip() else OFFLINE)


def _started(name: str) -> BaseChatModel:
    """The model of this name. A provider's own error is not passed on: it may repeat what it was configured with."""
    from langchain.chat_models import init_chat_model  # here, because it takes a second that many uses never need

    try:
        model = init_chat_model(name)
    except ImportError as error:
        raise ConfigurationError(f"{_about(name)} {_missing_package(error)}") from None
    except Exception as error:  # noqa: BLE001  every provider has errors of its own
        raise ConfigurationError(f"{_about(name)} {_what_to_do(error)}") from None
    # Providers count streamed tokens only when asked to, if the service is not their own.
    if "stream_usage" in type(model).model_fields and getattr(model, "stream_usage", False) is None:
        return model.model_copy(update={"stream_usage": True})
    return model


def _about(name: str) -> str:
    """The name, unless it looks like a key that got into the wrong place."""
    shown = "it looks like a key, so it is not shown" if re.match(r"sk-|\S{60}", name) else repr(name)
    return f"The model {shown} cannot be used."


def _missing_package(error: ImportError) -> str:
    package = _PACKAGE.search(str(error))
    return f"Its package is missing. Install it: pip install {package[1]}." if package else "Its package is missing."


def _what_to_do(error: Exception) -> str:
    """What the provider complained of, in our words."""
    said = str(error)
    if "provider" in said and isinstance(error, ValueError):
        return f"Its provider is not known. Write provider:model, such as {DEFAULT_MODEL!r}."
    key = _KEY.search(said)
    if key:
        return f"Its key is missing. Set {key[0]}, or pass a chat model of your own."
    return f"Its provider refused it ({type(error).__name__}). Check its name, key and address, or pass a chat model."

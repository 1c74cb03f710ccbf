"""Which chat model is meant by an instance, a name, or the environment."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import langchain.chat_models
import pytest
from langchain_core.language_models import FakeListChatModel
from langchain_openai import ChatOpenAI

from learning_machine.errors import ConfigurationError
from learning_machine.models import DEFAULT_MODEL, describe_model, resolve_model
from learning_machine.offline import OfflineModel

KEY = "sk-not-a-real-key-0123456789"
VARIABLES = (
    "LEARNING_MACHINE_MODEL",
    "OPENAI_API_KEY",
    "OPENAI_ADMIN_KEY",
    "OPENAI_BASE_URL",
    "OPENAI_API_BASE",
    "ANTHROPIC_API_KEY",
)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)


def test_an_instance_is_taken_as_it_is() -> None:
    """A chat model that is passed is the one that is used, whatever the environment says."""
    model = FakeListChatModel(responses=["hi"])
    assert resolve_model(model) is model


def test_without_a_key_it_is_the_offline_model() -> None:
    """Nothing given and no key: the offline model; an address without a key, or an empty key, is not enough."""
    assert isinstance(resolve_model(None), OfflineModel)


@pytest.mark.parametrize("variables", [{"OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}, {"OPENAI_API_KEY": " "}])
def test_half_a_setting_is_no_model(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An address without a key, or an empty key, leaves the offline model."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert isinstance(resolve_model(None), OfflineModel)


def test_a_key_alone_gives_the_default_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an OpenAI key and nothing else it is the default model, over chat completions, counting streamed tokens."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    model = resolve_model(None)
    assert isinstance(model, ChatOpenAI)
    assert f"openai:{model.model_name}" == DEFAULT_MODEL
    assert model.use_responses_api is None and model.stream_usage is True


@pytest.mark.parametrize("variable", ["OPENAI_BASE_URL", "OPENAI_API_BASE"])
def test_an_address_in_the_environment_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An OpenAI-compatible server named in the environment is the one that is called, and asked for token counts."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv(variable, "http://127.0.0.1:1/v1")
    model = resolve_model("openai:local-model")
    assert isinstance(model, ChatOpenAI)
    assert str(model.root_client.base_url) == "http://127.0.0.1:1/v1/"
    assert model.stream_usage is True and model.use_responses_api is None


def test_the_environment_may_name_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """LEARNING_MACHINE_MODEL wins over a key; "offline" there asks for the offline model."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("LEARNING_MACHINE_MODEL", "openai:gpt-4o")
    assert describe_model(resolve_model(None)) == "gpt-4o"
    monkeypatch.setenv("LEARNING_MACHINE_MODEL", "offline")
    assert isinstance(resolve_model(None), OfflineModel)
    assert isinstance(resolve_model("offline"), OfflineModel)


PROBLEMS = [
    ("openai:gpt-4.1-mini", ["openai:gpt-4.1-mini", "OPENAI_API_KEY"]),
    ("nobody:nothing", ["nobody:nothing", "provider"]),
    ("mystery", ["mystery", "provider:model"]),
]


@pytest.mark.parametrize(("name", "told"), PROBLEMS)
def test_a_name_that_cannot_be_used_says_why(name: str, told: list[str]) -> None:
    """The error names the string and what is missing, and says what to do."""
    with pytest.raises(ConfigurationError) as raised:
        resolve_model(name)
    assert all(words in str(raised.value) for words in told)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A provider whose package is not installed: the error says what to install."""

    def fail(name: str, **_: Any) -> Any:
        raise ImportError(
            "Initializing ChatNova requires the langchain-nova package. Please install it with `pip install langchain-nova`"
        )

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", fail)
    with pytest.raises(ConfigurationError, match=r"nova:big.*pip install langchain-nova"):
        resolve_model("nova:big")


def test_an_error_never_repeats_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a provider says of its settings is not passed on, nor a key given where a name belongs."""

    def fail(name: str, **_: Any) -> Any:
        raise RuntimeError(f"input_value={KEY}")

    monkeypatch.setattr(langchain.chat_models, "init_chat_model", fail)
    for name in ("openai:gpt-4o", KEY):
        with pytest.raises(ConfigurationError) as raised:
            resolve_model(name)
        assert KEY not in str(raised.value)
        assert raised.value.__cause__ is None and raised.value.__suppress_context__


@pytest.mark.parametrize("wrong", ["", "  ", 7, object()])
def test_what_is_no_model_is_refused(wrong: Any) -> None:
    """An empty name or another object is refused with the forms that are accepted."""
    with pytest.raises(ConfigurationError, match="Pass a LangChain chat model, or its name"):
        resolve_model(wrong)


def test_models_are_described_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """The description is the model's name; of the offline model that it is no language model."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    assert describe_model(OfflineModel()) == "offline pattern model (no language model)"
    assert describe_model(resolve_model("openai:gpt-4.1-mini")) == "gpt-4.1-mini"
    assert describe_model(FakeListChatModel(responses=[])) == "FakeListChatModel"


def test_importing_is_light() -> None:
    """Importing the module loads no provider."""
    code = "import sys, learning_machine.models; sys.exit(bool({'openai', 'langchain_openai', 'langgraph'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0

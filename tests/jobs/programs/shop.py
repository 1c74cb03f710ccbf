"""Machines as an application defines them: for its agents, and for workers that load them by `module:attribute`."""

import os
import signal
import time
from pathlib import Path

from pydantic import BaseModel
from token_agents import learn_stamped, learn_tokens, token_machine

from learning_machine import LearningMachine, UserProfileConfig
from learning_machine.testing import ScriptedModel, change


class Customer(BaseModel):
    """A profile of the shop's own."""

    shoe_size: int | None = None
    brands: list[str] = []


class Visits:
    """A store with only the five functions, which keeps a line for each message in a file."""

    learning_type = "visits"

    def recall(self, user_id):
        return None

    def process(self, messages, user_id, shop):
        with Path(os.environ["VISITS"]).open("a") as file:
            file.writelines(f"{shop} {user_id} {message.type} {message.text}\n" for message in messages)

    def build_context(self, data):
        return ""

    def get_tools(self):
        return []


def learn_customer(new):
    said = new[0]["text"]
    return [
        change("user_profile", "43", kind="field", name="shoe_size", quote=said),
        change("user_profile", ["Camper", "Ecco"], kind="field", name="brands"),
    ]


machine = LearningMachine(
    name="shop",
    model=ScriptedModel(learns=learn_customer),
    user_profile=UserProfileConfig(schema=Customer),
    custom_stores={"visits": Visits()},
    background="external",
)


class LoggingModel(ScriptedModel):
    """Learns tokens; writes to a file, for each extraction, when it began and ended and what it read."""

    def _generate(self, messages, *arguments, **named):
        began = time.monotonic()
        time.sleep(float(os.environ.get("SECONDS", "0")))
        result = super()._generate(messages, *arguments, **named)
        line = f"{os.getpid()} {began} {time.monotonic()} {' '.join(self.tokens(messages))}\n"
        file = os.open(os.environ["READ"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, line.encode())
        os.close(file)
        return result

    def tokens(self, messages):
        from learning_machine.testing import extraction_request

        return [one["value"] for one in learn_tokens(extraction_request(messages) or [])]


tokens = token_machine(
    LoggingModel(learns=learn_stamped if "STAMPED" in os.environ else learn_tokens), background="external"
)
stamped = token_machine(ScriptedModel(learns=learn_stamped), background="external")


def learn_or_die(new):
    """Learns tokens; what is poison ends the process, as a crash in a library or the kernel's memory killer would."""
    if "poison" in str(new):
        os.kill(os.getpid(), signal.SIGKILL)
    return learn_tokens(new)


deadly = token_machine(ScriptedModel(learns=learn_or_die), background="external")
red = token_machine(name="red", background="external")
blue = token_machine(name="blue", background="external")


def from_a_function():
    return red

"""The machine that is served in these tests: alone, mounted, and looked at from beside."""

from learning_machine import LearnedKnowledgeConfig, LearningMachine, LearningMode
from learning_machine.testing import ScriptedModel, change


def learns(new):
    """What the scripted model finds: lines that begin with a store's mark."""
    lines = [line for one in new if one["role"] == "user" for line in one["text"].splitlines()]
    found = []
    for line in lines:
        mark, _, rest = line.partition(": ")
        if mark == "rule":
            found.append(change("learned_knowledge", rest, kind="insight", quote=line))
        if mark == "I":
            found.append(change("user_profile", rest, kind="observation", quote=line))
        if mark == "Acme":
            found.append(change("entity_memory", rest, kind="fact", subject="Acme (company)", quote=line))
    return found


def accepts(identity, namespace):
    return identity.startswith("carol") and namespace == "engineering"


def make(**more):
    return LearningMachine(
        model=ScriptedModel(answers="ok", learns=learns),
        user_profile=True,
        session_context=True,
        entity_memory=True,
        learned_knowledge=LearnedKnowledgeConfig(mode=LearningMode.PROPOSE, namespace="engineering"),
        reviewers=accepts,
        background="external",
        **more,
    )


machine = make()

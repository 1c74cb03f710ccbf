"""How well the conversation is found again: R@10 and nDCG@10 by message, for BEAM's conversations and questions.

    python bench/quality.py --data beam-100k.jsonl.gz

Each conversation is recorded, read and indexed by a machine as any conversation is, in a space of its own; only the
extraction's model is a stand-in that finds nothing. Each question with evidence is then asked of the real search. Beside
it: BM25 alone, vectors alone, and what matching the three longest words with ILIKE finds, newest first.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from measuring import print_settings, print_table, quantile, step
from places import connect, own_database, query, versions

from learning_machine import LearningMachine, Scope
from learning_machine.nodes.recall import asking
from learning_machine.state.lexemes.stop_words import STOP_WORDS
from learning_machine.stores.conversation import ConversationConfig, ranked
from learning_machine.stores.fusing import Weights
from learning_machine.stores.indexing import Question
from learning_machine.stores.ledger_store import branch_query
from learning_machine.stores.protocol import Standing
from learning_machine.stores.spaces import access_of
from learning_machine.testing import ScriptedModel

#: How deep rankings are looked at.
DEPTH = 10
Ranking = Callable[["Asked"], Sequence[int]]


@dataclass(frozen=True)
class Asked:
    """A question of a conversation, and the numbers of the messages that answer it."""

    conversation: str
    ability: str
    text: str
    evidence: frozenset[int]
    now: datetime


@dataclass(frozen=True)
class Conversation:
    """Messages in order, in sessions, and questions that they answer."""

    id: str
    sessions: tuple[tuple[dict[str, Any], ...], ...]
    questions: tuple[Asked, ...]

    @property
    def size(self) -> int:
        return sum(map(len, self.sessions))


@dataclass
class Score:
    """What a ranking is worth, over questions."""

    recall: list[float] = field(default_factory=list)
    ndcg: list[float] = field(default_factory=list)

    def add(self, ranked: Sequence[int], evidence: frozenset[int]) -> None:
        self.recall.append(recall_at(ranked, evidence))
        self.ndcg.append(ndcg_at(ranked, evidence))

    @property
    def means(self) -> tuple[float, float]:
        return sum(self.recall) / len(self.recall), sum(self.ndcg) / len(self.ndcg)


def recall_at(ranked: Sequence[int], evidence: frozenset[int], depth: int = DEPTH) -> float:
    """The share of the evidence among the first."""
    return len(evidence.intersection(ranked[:depth])) / len(evidence)


def ndcg_at(ranked: Sequence[int], evidence: frozenset[int], depth: int = DEPTH) -> float:
    """The same with what comes earlier worth more, as a share of the best that can be."""
    gain = sum(1 / math.log2(place + 2) for place, one in enumerate(ranked[:depth]) if one in evidence)
    best = sum(1 / math.log2(place + 2) for place in range(min(depth, len(evidence))))
    return gain / best


# --- the data ---------------------------------------------------------------------------------------------------------


def conversations_in(path: Path, limit: int | None = None) -> Iterator[Conversation]:
    """The conversations of a JSONL file, gzipped or not."""
    raw = path.read_bytes()
    lines = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8").strip().split("\n")
    return (conversation_from(json.loads(line)) for line in lines[:limit])


def conversation_from(record: Mapping[str, Any]) -> Conversation:
    """A record as a conversation. A message with a time begins a session; those after it were said on that day."""
    sessions: list[list[dict[str, Any]]] = []
    day = datetime(2024, 1, 1, tzinfo=UTC)
    for message in record["messages"]:
        if message.get("time") or not sessions:
            day = datetime.strptime(message["time"], "%B-%d-%Y").replace(tzinfo=UTC) if message.get("time") else day
            sessions.append([])
        at = day + timedelta(seconds=len(sessions[-1]))
        sessions[-1].append(
            {
                "role": message["role"],
                "content": message["content"],
                "id": str(message["id"]),
                "additional_kwargs": {"at": at},
            }
        )
    asked = (
        Asked(record["id"], one["ability"], one["question"], frozenset(one["evidence"]), day + timedelta(days=1))
        for one in record["questions"]
        if one["evidence"]
    )
    return Conversation(record["id"], tuple(tuple(session) for session in sessions), tuple(asked))


# --- the search -------------------------------------------------------------------------------------------------------


def load(machine: LearningMachine, conversation: Conversation) -> None:
    """Let the machine record, read and index a conversation, for a user who is named after it."""
    for number, session in enumerate(conversation.sessions):
        machine.process(session, user_id=conversation.id, session_id=f"{conversation.id}/{number}")


def search(machine: LearningMachine, weights: Weights, *, words: bool = True, vectors: bool = True) -> Ranking:
    """The real search: the conversation store's query and its fusion, asked from a new session."""
    store = machine.stores["conversation"]

    def rank(asked: Asked) -> list[int]:
        question = machine.parts.embedder.question(asked.text) if vectors else Question.of(asked.text)
        question = question if words else replace(question, words=())
        scope = Scope(user_id=asked.conversation, session_id="asking")
        standing = replace(
            asking(machine.parts, Standing(machine=machine.name), question), weights=weights, now=asked.now
        )
        queries = store.queries(scope, standing)
        if not queries:
            return []
        rows = machine.database.read(access_of(scope), [branch_query(scope, standing), *queries])[1]
        return [int(row["key"].partition("~")[0]) for _, row in ranked(rows, weights)]

    return rank


def ilike(url: str) -> Ranking:
    """Words matched anywhere, newest first: the three longest that are no stop words."""

    def rank(asked: Asked) -> list[int]:
        words = set(re.findall(r"\w+", asked.text.lower())) - STOP_WORDS["english"]
        patterns = [f"%{word}%" for word in sorted(words, key=lambda word: (-len(word), word))[:3]]
        with connect(url) as connection:
            rows = connection.execute(
                query("ilike"), {"user": asked.conversation, "patterns": patterns, "limit": DEPTH}
            )
            return [int(key.partition("~")[0]) for (key,) in rows]

    return rank


def measure(
    rankings: Mapping[str, Ranking], questions: Sequence[Asked]
) -> tuple[dict[str, dict[str, Score]], dict[str, float]]:
    """By ranking and ability (`all` too) what it is worth; and by ranking its median time in milliseconds."""
    scores: dict[str, dict[str, Score]] = {name: {"all": Score()} for name in rankings}
    taken: dict[str, list[float]] = {name: [] for name in rankings}
    for asked in questions:
        for name, rank in rankings.items():
            began = time.perf_counter()
            ranked = rank(asked)
            taken[name].append(time.perf_counter() - began)
            for group in ("all", asked.ability):
                scores[name].setdefault(group, Score()).add(ranked, asked.evidence)
    return scores, {name: quantile(seconds, 0.5) * 1_000 for name, seconds in taken.items()}


# --- the command ------------------------------------------------------------------------------------------------------


def run(
    data: Path, *, embeddings: Any, weights: Weights, conversations: int | None = None, server: str | None = None
) -> dict[str, Any]:
    """Load, ask and score."""
    loaded = list(conversations_in(data, conversations))
    questions = [asked for conversation in loaded for asked in conversation.questions]
    without_floor = replace(weights, enough_meaning=-1.0, enough_words=0.0)
    only_words, only_meaning = (
        replace(without_floor, words=1.0, neighbours=0.0, user=1.0),
        replace(without_floor, words=0.0, neighbours=0.0, user=1.0),
    )
    with (
        own_database(server) as url,
        LearningMachine(
            db=url,
            model=ScriptedModel(),
            embeddings=embeddings,
            background="external",
            user_profile=True,
            conversation=ConversationConfig(max_results=DEPTH),
        ) as machine,
    ):
        size = sum(conversation.size for conversation in loaded)
        with step(f"Recording and indexing {size:,} messages of {len(loaded)} conversations"):
            for conversation in loaded:
                load(machine, conversation)
        with connect(url) as connection:
            connection.execute("analyze")
        rankings = {
            "ours": search(machine, without_floor),
            "ours, with the relevance floor": search(machine, weights),
            "ours, without vectors": search(machine, without_floor, vectors=False),
            "BM25 alone": search(machine, only_words, vectors=False),
            "vectors alone": search(machine, only_meaning, words=False),
            "ILIKE, newest first": ilike(url),
        }
        with step(f"Asking {len(questions)} questions"):
            scores, times = measure(rankings, questions)
        return {
            "settings": {**versions(url), "messages": size, "questions": len(questions)},
            "scores": scores,
            "times": times,
        }


def report(found: Mapping[str, Any], weights: Weights, embeddings: Any) -> None:
    print_settings(
        **found["settings"],
        embeddings=embeddings or "default",
        **{f"weights.{one.name}": getattr(weights, one.name) for one in fields(weights)},
    )
    scores, times = found["scores"], found["times"]
    rows = [(name, *by["all"].means, times[name]) for name, by in scores.items()]
    print_table(
        f"All abilities (R@{DEPTH}: share of the evidence found; ms: median, with making the query)",
        ("", f"R@{DEPTH}", f"nDCG@{DEPTH}", "ms"),
        rows,
    )
    abilities = sorted({name for by in scores.values() for name in by if name != "all"})
    names = list(scores)
    print_table(
        f"R@{DEPTH} by ability",
        ("", "n", *names),
        [
            (ability, len(scores[names[0]][ability].recall), *(scores[name][ability].means[0] for name in names))
            for ability in abilities
        ],
    )


def weights_from(text: str) -> Weights:
    """Weights from `words=0.5,neighbours=0.2`."""
    pairs = (pair.partition("=") for pair in text.split(",") if pair)
    return Weights(**{name.strip(): float(value) for name, _, value in pairs})


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument(
        "--data", type=Path, required=True, help="BEAM as JSONL, gzipped or not (not part of the project)"
    )
    parser.add_argument("--conversations", type=int, help="only the first so many")
    parser.add_argument(
        "--embeddings", help="another embedding model by its name, such as openai:text-embedding-3-small"
    )
    parser.add_argument(
        "--weights", type=weights_from, default=Weights(), metavar="NAME=NUMBER,…", help="other search weights"
    )
    parser.add_argument(
        "--db", help="another server; its user must be allowed to create databases [default: an embedded one]"
    )
    options = parser.parse_args(arguments)
    found = run(
        options.data,
        embeddings=options.embeddings,
        weights=options.weights,
        conversations=options.conversations,
        server=options.db,
    )
    report(found, options.weights, options.embeddings)


if __name__ == "__main__":
    main()

"""Bearer tokens of the stand-alone server: who holds one, and in which role. Only salted digests are kept."""

from __future__ import annotations

import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_config_path
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from learning_machine.errors import ConfigurationError

#: The tokens themselves, as JSON, for containers; or where the file with them lies.
TOKENS_VARIABLE = "LEARNING_MACHINE_TOKENS"
FILE_VARIABLE = "LEARNING_MACHINE_TOKENS_FILE"

Role = Literal["user", "reviewer", "admin"]
_TOKEN = re.compile(r"lm_(?P<id>[0-9a-f]{12})_(?P<secret>[0-9A-Za-z_-]{43})")


class Token(BaseModel):
    """A token as it is kept: whose it is, what they may do, and what the secret part has to come to."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    role: Role
    user: str | None = Field(None, description="Whose learnings it opens, and who decides with it.")
    groups: tuple[str, ...] = ()
    salt: str
    digest: str

    @model_validator(mode="after")
    def _is_somebody(self) -> Token:
        if not self.user:
            raise ValueError("a token belongs to somebody: name the user")
        return self

    def fits(self, secret: str) -> bool:
        """Whether the secret is this token's, in the same time whatever of it is right."""
        return hmac.compare_digest(_digest(self.salt, secret), self.digest)


def new_token(role: Role, user: str, groups: tuple[str, ...] = ()) -> tuple[Token, str]:
    """A token, and what its holder has to send: shown once, kept nowhere."""
    id, secret, salt = secrets.token_hex(6), secrets.token_urlsafe(32), secrets.token_hex(16)
    try:
        token = Token(id=id, role=role, user=user, groups=groups, salt=salt, digest=_digest(salt, secret))
    except ValidationError as error:
        raise ConfigurationError(f"No token: {error.errors()[0]['msg']}.") from None
    return token, f"lm_{id}_{secret}"


def _digest(salt: str, secret: str) -> str:
    return blake2b(secret.encode(), digest_size=32, salt=bytes.fromhex(salt)[:16]).hexdigest()


class Tokens:
    """The tokens of one file, or of the environment. A changed file is read again, so that a token taken away is gone."""

    def __init__(self, path: Path | None = None, *, given: str | None = None) -> None:
        self.path, self._given = path, given
        self._stamp: tuple[int, int] | None = None
        self._found: dict[str, Token] = {}
        if given is not None:
            self._found = _read(given, TOKENS_VARIABLE)

    @classmethod
    def from_environment(cls, path: Path | None = None) -> Tokens:
        """The tokens at a path, or else those that the environment holds or names, or else those of this login."""
        given = os.environ.get(TOKENS_VARIABLE)
        if path is None and given:
            return cls(given=given)
        return cls(path or default_path())

    def __len__(self) -> int:
        return len(self.all())

    def all(self) -> dict[str, Token]:
        """The tokens, by id."""
        if self.path is None:
            return self._found
        try:
            found = self.path.stat()
        except FileNotFoundError:
            self._stamp, self._found = None, {}
            return self._found
        stamp = (found.st_mtime_ns, found.st_ino)
        if stamp != self._stamp:
            self._found, self._stamp = _read(self.path.read_text("utf-8"), str(self.path)), stamp
        return self._found

    def holder(self, sent: str) -> Token | None:
        """Whose token this is; `None` for one that is none."""
        match = _TOKEN.fullmatch(sent)
        token = self.all().get(match["id"]) if match else None
        return token if match and token is not None and token.fits(match["secret"]) else None

    def add(self, token: Token) -> None:
        self._write({**self.all(), token.id: token})

    def remove(self, id: str) -> None:
        found = self.all()
        if id not in found:
            raise ConfigurationError(f"There is no token {id[:20]!r}. See learning-machine token list.")
        self._write({name: token for name, token in found.items() if name != id})

    def _write(self, tokens: Mapping[str, Token]) -> None:
        if self.path is None:
            raise ConfigurationError(
                f"The tokens are in {TOKENS_VARIABLE}, which cannot be written to. Change it where it is set."
            )
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        text = json.dumps([token.model_dump(mode="json") for token in tokens.values()], indent=2)
        # Beside it and then in its place: nobody ever reads half of it. Only its owner may read it.
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text + "\n")
        Path(name).replace(self.path)
        self._stamp = None


def default_path() -> Path:
    """Where tokens are kept if nobody says."""
    return Path(os.environ.get(FILE_VARIABLE) or user_config_path("learning-machine") / "tokens.json")


def _read(text: str, where: str) -> dict[str, Token]:
    try:
        found: Any = json.loads(text)
        tokens = [Token.model_validate(one) for one in found]
    except (ValueError, TypeError):
        # What is wrong with it is not quoted: it is a list of secrets, if hashed ones.
        raise ConfigurationError(
            f"{where} holds no tokens that can be read. Make it anew with learning-machine token add."
        ) from None
    return {token.id: token for token in tokens}

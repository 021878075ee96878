"""How weights are stored and read: safetensors plus a JSON sidecar, never a pickle.

Taught in notebook 03.
"""

from __future__ import annotations

import hashlib
import json
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct, structs
from safetensors.torch import save_file

from textsep_lab.models.clap import ClapNetwork
from textsep_lab.models.config import MAX_DIM, ClapConfig, UNetConfig
from textsep_lab.models.network import SeparationNetwork
from textsep_lab.models.registry import build
from textsep_lab.models.weights import Network, network_with_weights
from textsep_lab.utils.paths import atomic_write, checkpoints_dir, sha256
from textsep_lab.utils.validation import checked, read_json

FORMAT = "textsep_lab-checkpoint-2"
DEFAULT = "guided-esc50"
KINDS = {UNetConfig: "separator", ClapConfig: "clap"}
Name = Annotated[str, Meta(min_length=1, max_length=100)]
FileName = Annotated[str, Meta(pattern=r"^\w[\w. -]{0,99}\Z")]  # in the folder itself
Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class _Named(Struct):
    file: FileName
    sha256: Digest


class _Encoder(Struct):
    name: Name
    dim: Annotated[int, Meta(ge=1, le=MAX_DIM)] | None = None
    weights_sha256: str | None = None


class _Sidecar(Struct):
    """What this module reads; whoever trains a network may remember more."""

    format: Annotated[str, Meta(pattern=rf"^{FORMAT}\Z")]
    sha256: Digest
    encoder: _Encoder | None = None
    data: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    metrics: dict[str, float | None] | None = None


class _Licence(Struct):
    name: FileName
    what: str
    licence: str
    notice: str


def save(
    path: str | Path,
    network: SeparationNetwork | ClapNetwork,
    info: Mapping[str, Any],
    half: bool = False,
) -> Path:
    """Write ``path`` (``*.safetensors``) and its sidecar ``*.json``.

    Args:
        path: file of the weights.
        network: any of `registry.NETWORKS`, or a `clap.ClapNetwork`.
        info: what is to be remembered: ``encoder``, data protocol, metrics, settings, and
            ``query_classifier`` (see `needed_file`).
        half: store float16, in half the space. Read back, the weights are float32 again.

    Raises:
        ValueError: `info` holds what JSON cannot.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> _ = save(path, build("compact", text_dim=4), {"encoder": {"name": "e", "dim": 4}})
        >>> network, info = load(path)
        >>> info["encoder"]["name"], network.training
        ('e', False)
    """
    path = Path(path)
    # What could not be read back is not written, such as a metric that is NaN.
    read_json(json.dumps(dict(info)).encode(), path.with_suffix(".json"), "cannot be written")
    tensors = {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}
    if half:
        tensors = {k: v.half() if v.is_floating_point() else v for k, v in tensors.items()}
    with atomic_write(path) as temporary:
        save_file(tensors, temporary)
        digest = sha256(temporary)
    kind = KINDS[type(network.config)]
    own = {"format": FORMAT, "kind": kind, "config": asdict(network.config)}
    sidecar = {**own, **info, **own, "sha256": digest}  # `info` may be another network's sidecar
    with atomic_write(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(sidecar, indent=2) + "\n", encoding="utf-8")
    return path


def load(
    path: str | Path | None = None, encoder_dim: int | None = None
) -> tuple[SeparationNetwork, dict[str, Any]]:
    """Read a network back, ready to separate.

    Args:
        path: ``*.safetensors``, or a folder that holds one; None is the shipped default.
        encoder_dim: dimension of the embeddings it will be given, to be checked.

    Returns:
        The network in evaluation mode, and the sidecar as a dict.

    Raises:
        FileNotFoundError: weights or sidecar are missing.
        ValueError: damaged, of a foreign format, or made for another embedding dimension.
    """
    path = find(path)
    info = describe(path)
    config = _config(UNetConfig, info, path)
    if encoder_dim is not None and config.text_dim not in (None, encoder_dim):
        raise ValueError(
            f"'{path}' was trained with {config.text_dim}-dimensional embeddings; "
            f"the encoder gives {encoder_dim}."
        )
    return _with_weights(lambda: build(config), path, info), info


def load_clap(path: str | Path) -> tuple[ClapNetwork, dict[str, Any]]:
    """Read a CLAP network back, ready to embed, with its sidecar; raises as `load` does."""
    path = find(path)
    info = describe(path)
    config = _config(ClapConfig, info, path)
    return _with_weights(lambda: ClapNetwork(config), path, info), info


def _with_weights(make: Callable[[], Network], path: Path, info: Mapping[str, Any]) -> Network:
    if sha256(path) != info["sha256"]:
        raise ValueError(f"'{path}' is damaged: its sha256 is not the one in its sidecar.")
    return network_with_weights(make, path)


def find(path: str | Path | None) -> Path:
    """Return the weights file for a path, a folder, or None (the shipped default)."""
    path = checkpoints_dir() / DEFAULT if path is None else Path(path)
    if path.is_dir():
        found = sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            raise FileNotFoundError(f"'{path}' holds {len(found)} checkpoints: name one file.")
        path = found[0]
    if not path.is_file():
        raise FileNotFoundError(f"There is no checkpoint '{path}'.")
    if path.suffix != ".safetensors":
        raise ValueError(f"'{path}' is not a checkpoint: only .safetensors files are read.")
    return path


def shipped() -> list[dict[str, str]]:
    """Return what is said of each folder in `checkpoints_dir`: name, what, licence, notice.

    A wheel holds only what the default path needs.

    Example:
        >>> [each["licence"] for each in shipped() if each["name"] == "text-encoder"]
        ['Apache-2.0']
    """
    folder = checkpoints_dir()
    file = folder / "licences.json"
    said = checked(list[_Licence], read_json(file), file)
    return [structs.asdict(each) for each in said if (folder / each.name).is_dir()]


def describe(path: Path) -> dict[str, Any]:
    """Read the sidecar of a weights file, without the weights.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: damaged, or of a foreign format.
    """
    path = path.with_suffix(".json")
    if not path.is_file():
        raise FileNotFoundError(f"The checkpoint's description '{path}' is missing.")
    info = read_json(path)
    checked(_Sidecar, info, path, f"does not describe a checkpoint of this kit ({FORMAT})")
    return info


def needed_file(path: Path, info: Mapping[str, Any], key: str) -> Path | None:
    """Return a further file that a checkpoint needs, checked; None if it needs none.

    The sidecar names it by ``{"file": name, "sha256": digest}`` under `key`. It lies beside the
    weights, or, as several of the shipped ones share it, in a folder of that kind.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: it is not the file that the sidecar names.
    """
    named = info.get(key)
    if named is None:
        return None
    kind = key.replace("_", "-")
    wanted = checked(_Named, named, path.with_suffix(".json"), f"names no {kind} file")
    places = (path.with_name(wanted.file), checkpoints_dir() / kind / wanted.file)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"The {kind} file '{places[0]}', which '{path}' needs, is missing.")
    if sha256(found) != wanted.sha256:
        raise ValueError(f"'{found}' is not the {kind} that '{path}' was made with: restore it.")
    return found


def fingerprint(info: Mapping[str, Any]) -> str | None:
    """Return one SHA-256 for all files that decide what a checkpoint does; None if unknown.

    Example:
        >>> fingerprint({}) is None
        True
    """
    if "sha256" not in info:
        return None
    classifier = (info.get("query_classifier") or {}).get("sha256", "")
    return hashlib.sha256(f"{info['sha256']} {classifier}".encode()).hexdigest()


def _config(kind: type, info: Mapping[str, Any], path: Path) -> Any:
    if info.get("kind") != KINDS[kind]:
        said = reprlib.repr(info.get("kind"))
        raise ValueError(f"'{path}' holds a {said}; what is needed is a {KINDS[kind]}.")
    sidecar = path.with_suffix(".json")
    problem = "describes no network of this kit"
    return checked(kind, info.get("config"), sidecar, problem, defaults=False)

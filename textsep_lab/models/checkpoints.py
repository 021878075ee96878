"""How weights are stored and read: safetensors plus a JSON sidecar, never a pickle.

Taught in notebook 03.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from textsep_lab.models.clap import ClapNetwork
from textsep_lab.models.config import ClapConfig, UNetConfig
from textsep_lab.models.network import SeparationNetwork
from textsep_lab.models.registry import build
from textsep_lab.utils.paths import atomic_write, checkpoints_dir

FORMAT = "textsep_lab-checkpoint-2"
DEFAULT = "guided-esc50"
KINDS = {UNetConfig: "separator", ClapConfig: "clap"}
Network = TypeVar("Network", bound=nn.Module)


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

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "net.safetensors"
        >>> _ = save(path, build("compact", text_dim=4), {"encoder": {"name": "e", "dim": 4}})
        >>> network, info = load(path)
        >>> info["encoder"]["name"], network.training
        ('e', False)
    """
    path = Path(path)
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
    tensors = read_tensors(path)
    try:
        network = make()
        network.load_state_dict(tensors)
    except (RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(f"'{path}' does not hold the weights its sidecar describes.") from error
    return network.eval()


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
    said = json.loads((folder / "licences.json").read_text(encoding="utf-8"))
    return [each for each in said if (folder / each["name"]).is_dir()]


def describe(path: Path) -> dict[str, Any]:
    """Read the sidecar of a weights file, without the weights.

    Raises:
        FileNotFoundError: it is missing.
        ValueError: damaged, or of a foreign format.
    """
    path = path.with_suffix(".json")
    if not path.is_file():
        raise FileNotFoundError(f"The checkpoint's description '{path}' is missing.")
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"'{path}' is damaged: it is not JSON.") from error
    if not isinstance(info, dict) or info.get("format") != FORMAT or "sha256" not in info:
        raise ValueError(f"'{path}' does not describe a checkpoint of this kit ({FORMAT}).")
    encoder = info.get("encoder")
    if encoder is not None and not (isinstance(encoder, dict) and "name" in encoder):
        raise ValueError(f"'{path}' does not name the text encoder of its checkpoint.")
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
    try:
        name, digest = Path(named["file"]).name, named["sha256"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"'{path.with_suffix('.json')}' names no {kind} file.") from error
    places = (path.with_name(name), checkpoints_dir() / kind / name)
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise FileNotFoundError(f"The {kind} file '{places[0]}', which '{path}' needs, is missing.")
    if sha256(found) != digest:
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
        raise ValueError(f"'{path}' holds a {info.get('kind')}; what is needed is a {KINDS[kind]}.")
    try:
        fields = dict(info["config"])
        return kind(**{**fields, "channels": tuple(fields["channels"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"'{path}': its sidecar describes no network of this kit.") from error


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as hexadecimal digits."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def read_tensors(path: str | Path) -> dict[str, torch.Tensor]:
    """Read all tensors of a safetensors file.

    Raises:
        ValueError: not such a file, or damaged.
    """
    return read_safetensors(path)[0]


def read_safetensors(path: str | Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Read all tensors and the metadata of a safetensors file; raises as `read_tensors`."""
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(f"'{path}' is damaged or not a safetensors file.") from error

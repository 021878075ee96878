"""Where the weights of an optional encoder lie, and how they get there: files of a model hub.

Nothing is downloaded unless that is allowed, by ``load_encoder(name, download=True)`` or by the
environment variable `ALLOW`: a checkpoint that someone sends may name any encoder.

The transfer is huggingface_hub's: its cache folder, its progress bar, its resuming; a file takes
its name only when it is whole. Taught in notebook 07.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from textsep_lab.utils.paths import sha256

OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
ALLOW = "TEXTSEP_DOWNLOAD"
ON = ("1", "on", "yes", "true")  # as huggingface_hub reads its switches


@dataclass(frozen=True)
class EncoderStatus:
    """What can be said of an encoder without loading it.

    Args:
        name, dim: as the encoder's.
        embeds_audio: it embeds audio too.
        installed: the libraries it needs are there.
        weights: the file or folder it would load; None where a download comes first, or where
            the environment variable for it names nothing that exists.
        download: what it would fetch, how much and from where; empty where it would fetch nothing.
        extra: the optional dependencies of this package that install it.
    """

    name: str
    dim: int
    embeds_audio: bool
    installed: bool
    weights: Path | None
    download: str
    extra: str = ""


@dataclass(frozen=True)
class HubFiles:
    """Some files of one commit of a model repository on the Hugging Face hub.

    Args:
        title: what they are, for people.
        repo, revision: the repository and a commit, as its contents cannot change.
        files: their names; the last is the one that is not plain text, if any.
        size: of all of them, in bytes.
        licence: that of the weights.
        sha256: of the last file; the others are fixed by the commit alone.

    Example:
        >>> HubFiles("A model", "me/model", "0" * 40, ("a.json",), 10**6, "MIT").describe()
        'A model (1 MB, licence MIT) from https://huggingface.co/me/model'
    """

    title: str
    repo: str
    revision: str
    files: tuple[str, ...]
    size: int
    licence: str
    sha256: str = ""

    def describe(self) -> str:
        """Return in words what a download would fetch, how much and from where."""
        size = f"{self.size / 1e6:.0f} MB, licence {self.licence}"
        return f"{self.title} ({size}) from https://huggingface.co/{self.repo}"

    def cached(self) -> Path | None:
        """Return the folder in the hub's cache that holds all the files, or None."""
        from huggingface_hub import try_to_load_from_cache

        found = [try_to_load_from_cache(self.repo, f, revision=self.revision) for f in self.files]
        there = [Path(file) for file in found if isinstance(file, str)]
        return there[0].parent if len(there) == len(found) else None

    def fetch(self, instead: str, allowed: bool = False) -> Path:
        """Return the folder with the files, after a download announced on stderr if need be.

        Args:
            instead: what a user without a network can do, to end an error's sentence.
            allowed: the files may be downloaded; otherwise the environment decides.

        Raises:
            FileNotFoundError: they are not there, and a download is not allowed.
            ConnectionError: no network, or a cut; the next call goes on from there.
            ValueError: what came is not the expected file; it is deleted.
            OSError: the disk is full or cannot be written.
        """
        if folder := self.cached():
            return folder
        if switches := [name for name in OFFLINE if _is_on(name)]:
            said = f"{switches[0]} forbids the download: unset it, or {instead}"
            raise FileNotFoundError(f"{self.title} is not on this machine, and {said}.")
        if not (allowed or _is_on(ALLOW)):
            raise FileNotFoundError(
                f"{self.describe()} is not on this machine: set {ALLOW}=1 to allow the download, "
                f"or {instead}."
            )
        from huggingface_hub import constants

        print(f"Downloading {self.describe()} to {constants.HF_HUB_CACHE}.", file=sys.stderr)
        paths = [self._download(file, instead) for file in self.files]
        self._check(paths[-1])
        return paths[-1].parent

    def _download(self, file: str, instead: str) -> Path:
        from huggingface_hub import errors, hf_hub_download

        cut = getattr(errors, "XetDownloadError", OSError)  # older releases have no such class
        try:
            return Path(hf_hub_download(self.repo, file, revision=self.revision))
        except (OSError, RuntimeError, errors.HTTPError, cut) as error:
            # A failed system call is about this machine's disk; all else is about the network.
            local = getattr(error, "errno", None) and not isinstance(error, ConnectionError)
            reason = " ".join(str(error).split("\n")[0].split()).rstrip(".")
            said = f"'{file}' of {self.repo} was not downloaded ({reason})"
            if local:
                raise OSError(f"{said}; free some space or choose another HF_HOME.") from error
            raise ConnectionError(f"{said}; check the network, or {instead}.") from error

    def _check(self, path: Path) -> None:
        """The hub's own library checks lengths only, so compare what is known to be right."""
        if self.sha256 and (found := sha256(path)) != self.sha256:
            path.resolve().unlink()  # the cache holds a link to it
            path.unlink(missing_ok=True)
            raise ValueError(
                f"'{path.name}' from {self.repo} has SHA-256 {found}, expected {self.sha256}; "
                "it was deleted: download it again."
            )


def _is_on(variable: str) -> bool:
    return os.environ.get(variable, "0").lower() in ON


def chosen(argument: str | Path | None, variable: str) -> Path | None:
    """Return the path given as argument or else by the environment variable, or None."""
    path = argument or os.environ.get(variable)
    return Path(path).expanduser() if path else None


# Commits, sizes and checksums as several independent projects that pin these files state them.
MSCLAP = HubFiles(
    title="Microsoft CLAP 2023",
    repo="microsoft/msclap",
    revision="c47d441165daa21986ead0850660917636a81775",
    files=("CLAP_weights_2023.pth",),
    size=689_950_036,
    licence="MS-PL",
    sha256="2cef4016d47d00eb28d153d522f397222057f95000e9bad6b9583c631284a1e6",
)
GPT2_TOKENIZER = HubFiles(
    title="GPT-2's tokenizer",
    repo="openai-community/gpt2",
    revision="607a30d783dfa663caf39e06633721c8d4cfcd7e",
    files=("tokenizer.json",),
    size=1_355_256,
    licence="MIT",
)
LAION_CLAP = HubFiles(
    title="LAION CLAP",
    repo="laion/clap-htsat-unfused",
    revision="8fa0f1c6d0433df6e97c127f64b2a1d6c0dcda8a",
    files=(
        "config.json",
        "merges.txt",
        "preprocessor_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "vocab.json",
        "pytorch_model.bin",  # the commit has no safetensors
    ),
    size=617_895_823,
    licence="Apache-2.0",
    sha256="1cd3c601bc4afe0fa87be3de4c13dd2cfadd249fac1e29acf74a9b296c3219bb",
)

"""What comes from outside is checked at the door: JSON, and whether it fits the types that hold it.

The types and ranges are msgspec's work. Against pydantic it takes 20 ms to import instead of 130,
and 0.7 MB instead of 10; `textsep --help` waits for neither.
"""

from __future__ import annotations

import json
import math
import re
import reprlib
from dataclasses import fields, is_dataclass
from numbers import Real
from pathlib import Path
from typing import Any, NoReturn, TypeVar

LARGEST = 2**20  # bytes of a JSON file; the longest of this kit has 2,000
T = TypeVar("T")


def read_json(
    source: str | Path | bytes,
    name: str | Path | None = None,
    problem: str = "is damaged",
    largest: int = LARGEST,
    nan: bool = False,
) -> Any:
    """Return what a JSON file holds, or the bytes of one.

    Stricter than `json.loads`: a key given twice, NaN, an infinity, or a number beyond 64 bits is
    an error.

    Args:
        name: what an error's sentence calls it, by default the path.
        problem: how an error's sentence goes on, before it gives the reason.
        largest: bytes that are read at most.
        nan: take NaN and infinities for numbers, as `json` writes them.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not JSON in UTF-8, too large or nested too deeply.

    Example:
        >>> read_json(b'{"bias": 1, "bias": 2}', "curve.json")
        Traceback (most recent call last):
        ValueError: 'curve.json' is damaged: it says 'bias' twice.
    """
    name = str(source) if name is None and not isinstance(source, bytes) else name
    try:
        text = _bytes(source, largest).decode("utf-8")
        return json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=float if nan else _refuse,
            parse_float=_float,
            parse_int=_int,
        )
    except UnicodeDecodeError:
        reason = "it is not text in UTF-8"
    except json.JSONDecodeError as error:
        reason = f"it is not JSON ({error.msg} in line {error.lineno})"
    except ValueError as error:
        reason = str(error)
    except RecursionError:
        reason = "it is nested too deeply"
    raise ValueError(f"'{name}' {problem}: {reason}.")


def checked(
    kind: type[T],
    data: Any,
    name: str | Path,
    problem: str = "is damaged",
    defaults: bool = True,
) -> T:
    """Return `data`, which a JSON file held, as the type that holds it.

    Args:
        kind: a dataclass, whose keys must all be known to it, or a type of msgspec's.
        name: of the file.
        problem: how an error's sentence goes on, before it names the field.
        defaults: a dataclass's field that is missing has its default.

    Raises:
        ValueError: a value of another type or out of its range, a key too few or too many.

    Example:
        >>> from textsep_lab.models.config import UNetConfig
        >>> checked(UNetConfig, {"channels": [8, "many"]}, "a.json", "describes no network")
        Traceback (most recent call last):
        ValueError: 'a.json' describes no network: channels[1] is 'many', expected int.
    """
    import msgspec

    try:
        if is_dataclass(kind) and isinstance(data, dict):
            known = [each.name for each in fields(kind)]
            if unknown := [key for key in data if key not in known]:
                raise ValueError(f"it has an unknown field {_short(unknown[0])}")
            if not defaults and (missing := [key for key in known if key not in data]):
                raise ValueError(f"it lacks {missing[0]}")
        return msgspec.convert(data, kind)
    except (ValueError, RecursionError) as error:  # msgspec's own is a kind of it
        raise ValueError(f"'{name}' {problem}: {_explain(str(error), data)}.") from error


def check_range(name: str, value: Any, low: float, high: float) -> None:
    """Raise ValueError with one sentence unless a number lies between two others.

    Example:
        >>> check_range("dropout", 7, 0, 1)
        Traceback (most recent call last):
        ValueError: dropout is 7: it must be from 0 to 1.
    """
    number: Any = value
    if not (isinstance(value, Real) and low <= number <= high):
        raise ValueError(f"{name} is {_short(value)}: it must be from {low:,} to {high:,}.")


def _bytes(source: str | Path | bytes, largest: int) -> bytes:
    if not isinstance(source, bytes):
        with Path(source).open("rb") as file:
            source = file.read(largest + 1)
    if len(source) > largest:
        raise ValueError(f"it has more than {largest:,} bytes")
    return source


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"it says {_short(key)} twice")
        found[key] = value
    return found


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"it holds {constant}, which is no finite number of 64 bits")


def _float(digits: str) -> float:
    value = float(digits)
    return value if math.isfinite(value) else _refuse(_short(digits))


def _int(digits: str) -> int:
    return int(digits) if len(digits) < 19 else _refuse(_short(digits))


def _explain(said: str, data: Any) -> str:
    """Turn a sentence of msgspec's into one that says where something is wrong, and what."""
    said, _, path = said.partition(" - at `")
    where = path.rstrip("`").removeprefix("$").lstrip(".")
    said = said.replace("`", "").rstrip(".")
    if said.startswith(("Expected", "Invalid enum")) and not re.search(r"\.\.\.| in ", where):
        wanted = said.partition(", got")[0].replace("Expected", "expected", 1)
        wanted = "expected another word" if wanted.startswith("Invalid") else wanted
        return f"{where or 'it'} is {_short(_at(data, where))}, {wanted}"
    for theirs, ours in (
        ("missing required field", "lacks"),
        ("contains unknown field", "has an unknown field"),
    ):
        if theirs in said:
            return f"{where or 'it'} {said.replace('Object ' + theirs, ours)}"
    return f"{where}: {said}" if where else said


def _at(data: Any, where: str) -> Any:
    for key, index in re.findall(r"([^.\[\]]+)|\[(\d+)\]", where):
        data = data[int(index)] if index else data[key]
    return data


def _short(value: Any) -> str:
    return reprlib.repr(value)

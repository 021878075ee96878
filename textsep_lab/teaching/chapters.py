"""The chapters as files: their parameters, badges, links, exercises and contract.

A chapter's exercises are stubs; the answers stand in ``notebooks/solutions``, and the stubs are
made from them. Taught in notebook 00.
"""

from __future__ import annotations

import re
from copy import deepcopy
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from textsep_lab.utils.paths import atomic_write, notebooks_dir, repository_url

SOLUTION = re.compile(r"^([ \t]*)# BEGIN SOLUTION\n.*?# END SOLUTION", re.DOTALL | re.MULTILINE)
EXERCISE = "exercise-"
WIDGET = "application/vnd.jupyter.widget-view+json"


def chapters(folder: Path | None = None) -> list[Path]:
    """Return the chapters' files in order.

    Raises:
        FileNotFoundError: there are none: the notebooks come with a clone of the repository.
    """
    folder = notebooks_dir() if folder is None else folder
    found = sorted(folder.glob("[0-9][0-9]_*.ipynb"))
    if not found:
        raise FileNotFoundError(
            f"There are no notebooks in '{folder}': clone the repository, or give their paths."
        )
    return found


def choose(names: list[str]) -> list[Path]:
    """Return the chapters that are named by number, by name or by path; all for no names.

    Raises:
        FileNotFoundError: no notebook, or no chapter, of that name.
    """
    return [_choose(name) for name in names] or chapters()


def _choose(name: str) -> Path:
    if name.endswith(".ipynb"):
        if not Path(name).is_file():
            raise FileNotFoundError(f"There is no notebook '{name}'.")
        return Path(name)
    known = chapters()
    found = [path for path in known if name in (path.stem, path.stem[:2])]
    if not found:
        there = ", ".join(path.stem for path in known)
        raise FileNotFoundError(f"There is no chapter '{name}': there are {there}.")
    return found[0]


def read(path: Path) -> NotebookNode:
    """Read a notebook.

    Raises:
        ValueError: not a notebook.
    """
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat's and jsonschema's own, of many kinds
        raise ValueError(f"'{path}' is not a notebook.") from error


def write(notebook: NotebookNode, path: Path) -> Path:
    """Write a notebook; a failure leaves the old one."""
    with atomic_write(path) as temporary:
        nbformat.write(notebook, temporary)
    return path


def artefacts(path: Path) -> list[str]:
    """Return the names of the files a chapter says it leaves in its output folder."""
    return list(read(path).metadata.get("textsep", {}).get("artefacts", []))


def stub(source: str) -> str:
    """Return an answer's code without its solution.

    Example:
        >>> print(stub("x = None\\n# BEGIN SOLUTION\\nx = 3\\n# END SOLUTION"))
        x = None
        # your code here
    """
    return SOLUTION.sub(r"\1# your code here", source)


def tidy(path: Path) -> Path:
    """Rewrite what follows from elsewhere: badge and links, the address, the exercises' stubs.

    Outputs stay, but for progress bars and what was said on standard error.
    """
    notebook = read(path)
    notebook.cells[0].source = _heading(notebook.cells[0].source, path)
    for cell in notebook.cells:
        if "colab" in cell.metadata.get("tags", []):
            cell.source = re.sub(r"git\+\S+?(?=[\"'])", f"git+{repository_url()}", cell.source)
    solutions = path.parent / "solutions" / path.name
    if solutions.is_file():
        notebook.cells = _with_exercises(notebook.cells, read(solutions).cells)
    return write(_quiet(notebook), path)


def _heading(source: str, path: Path) -> str:
    """Return the first cell with the Colab badge and the links to the chapters around it."""
    known = chapters(path.parent)
    at = known.index(path)
    title, _, rest = source.partition("\n")
    prose = [x for x in rest.strip().split("\n\n") if not x.startswith(("[![", "←", "[next"))]
    address = repository_url().removeprefix("https://github.com/")
    colab = "https://colab.research.google.com"
    badge = (
        f"[![Open in Colab]({colab}/assets/colab-badge.svg)]"
        f"({colab}/github/{address}/blob/main/notebooks/{path.name})"
    )
    before = f"← [previous]({known[at - 1].name})" if at else ""
    after = f"[next]({known[at + 1].name}) →" if at + 1 < len(known) else ""
    links = " · ".join(filter(None, (before, after)))
    return "\n\n".join(filter(None, [title, f"{badge} {links}".strip(), *prose]))


def _with_exercises(cells: list[NotebookNode], answers: list[NotebookNode]) -> list[NotebookNode]:
    """Return a chapter's cells with the exercises made anew; outputs of equal cells stay."""
    old = {cell["id"]: cell for cell in cells}
    made = [deepcopy(cell) for cell in answers if cell["id"].startswith(EXERCISE)]
    for cell in made:
        if cell.cell_type != "code":
            continue
        cell.source = stub(cell.source)
        before = old.get(cell["id"])
        same = before is not None and before.source == cell.source
        cell.outputs = before.outputs if same else []
        cell.execution_count = before.execution_count if same else None
    first = next(i for i, cell in enumerate(cells) if cell["id"].startswith(EXERCISE))
    rest = [cell for cell in cells if not cell["id"].startswith(EXERCISE)]
    return rest[:first] + made + rest[first:]


def _quiet(notebook: NotebookNode) -> NotebookNode:
    """Drop progress bars, standard error, widget state and what the runner noted."""
    for name in ("widgets", "papermill"):
        notebook.metadata.pop(name, None)
    for cell in notebook.cells:
        for name in ("papermill", "execution", "status", "jp-MarkdownHeadingCollapsed"):
            cell.metadata.pop(name, None)
        if cell.cell_type == "code":
            cell.outputs = _joined([x for x in cell.outputs if not _is_noise(x)])
    return notebook


def _joined(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """Join what was printed in one go: where it is cut depends on the moment."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.get("name") and output["name"] == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


def _is_noise(output: NotebookNode) -> bool:
    return output.get("name") == "stderr" or WIDGET in output.get("data", {})

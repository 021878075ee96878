"""The chapters keep their contract, and their exercises check what they say they check."""

import ast
import re
from itertools import pairwise

import nbformat
import pytest

from textsep_lab.teaching import batch, chapters
from textsep_lab.utils.paths import repository_url

CHAPTERS = chapters.chapters()
NAMES = [path.stem for path in CHAPTERS]
SOLUTIONS = [path.parent / "solutions" / path.name for path in CHAPTERS]
BARE_PATH = re.compile(r"(?<![\w.:/])(?:/(?:home|root|work|tmp|usr|Users|content)/|[A-Z]:\\)")
LINK = re.compile(r"\]\((?!https?://|#)([^)\s]+)\)")
COLAB = """import sys

if "google.colab" in sys.modules:
    %pip install --quiet "textsep-lab @ git+{}\""""

every_chapter = pytest.mark.parametrize("path", CHAPTERS, ids=NAMES)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def shown(cell):
    """Return all that a cell's outputs say in words."""
    for output in cell.outputs:
        yield output.get("text", "")
        data = output.get("data", {})
        yield from (data[kind] for kind in ("text/plain", "text/html") if kind in data)


def test_the_series_is_whole():
    assert [name[:2] for name in NAMES] == [f"{k:02d}" for k in range(len(NAMES))]
    assert len(NAMES) == 8
    assert all(path.is_file() for path in SOLUTIONS)


@every_chapter
def test_a_chapter_has_its_parts_in_order(path):
    ids = [cell["id"] for cell in chapters.read(path).cells]
    assert ids[:5] == ["title", "about", "colab", "parameters", "setup"]
    assert ids[-2:] == ["takeaways", "references"]
    exercises = [name for name in ids if name.startswith(chapters.EXERCISE)]
    triples = [f"exercise-{k}{part}" for k in (1, 2, 3) for part in ("", "-answer", "-check")]
    assert exercises == ["exercise-setup", *triples]
    first = ids.index("exercise-setup")
    assert ids[first : first + len(exercises)] == exercises


@every_chapter
def test_a_chapter_was_run_from_top_to_bottom(path):
    counts = [cell.execution_count for cell in code(chapters.read(path))]
    assert counts == list(range(1, len(counts) + 1))


@every_chapter
def test_a_chapter_says_what_it_needs_and_takes(path):
    notebook = chapters.read(path)
    about = next(cell.source for cell in notebook.cells if cell["id"] == "about")
    for part in ("You will be able to", "You need", "Takes", "Reads"):
        assert f"**{part}" in about, part
    assert re.search(r"about [\d.]+ min on two CPU cores", about)
    assert any("**Predict" in cell.source for cell in notebook.cells)
    assert notebook.metadata["textsep"]["artefacts"]


@every_chapter
def test_parameters_are_typed_literals(path):
    cell = tagged(chapters.read(path), "parameters")
    assert len(cell) == 1
    for line in ast.parse(cell[0].source).body:
        assert isinstance(line, ast.AnnAssign), ast.unparse(line)
        ast.literal_eval(line.value)
    assert all(kind in batch.TYPES for kind, _ in batch.parameters(path).values())


@every_chapter
def test_a_chapter_is_small_and_quiet(path):
    assert path.stat().st_size < 3e6
    notebook = chapters.read(path)
    assert "widgets" not in notebook.metadata
    for cell in code(notebook):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"
            assert chapters.WIDGET not in output.get("data", {})


@every_chapter
def test_no_paths_of_a_machine(path):
    for cell in chapters.read(path).cells:
        assert not BARE_PATH.search(cell.source)
        for text in shown(cell) if cell.cell_type == "code" else ():
            assert not BARE_PATH.search(text)


@every_chapter
def test_links_lead_somewhere(path):
    for cell in chapters.read(path).cells:
        for link in LINK.findall(cell.source) if cell.cell_type == "markdown" else ():
            assert (path.parent / link.partition("#")[0]).exists(), link


@every_chapter
def test_marked_outputs_are_text(path):
    marked = tagged(chapters.read(path), "nbval-check-output")
    assert len(marked) >= 2
    for cell in marked:
        assert cell.outputs
        assert all(o.output_type == "stream" or set(o.data) == {"text/plain"} for o in cell.outputs)


@every_chapter
def test_colab_installs_the_kit_and_nothing_else(path):
    cell = tagged(chapters.read(path), "colab")[0]
    assert cell.source == COLAB.format(repository_url())
    assert not cell.outputs


@pytest.fixture
def series(tmp_path):
    """A copy of all chapters, to be changed."""
    for path in [*CHAPTERS, *SOLUTIONS]:
        copy = tmp_path / path.relative_to(CHAPTERS[0].parent)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return chapters.chapters(tmp_path)


def test_chapters_are_tidy(series):
    for path, copy in zip(CHAPTERS, series, strict=True):
        assert chapters.read(chapters.tidy(copy)) == chapters.read(path), path.stem


def test_tidy_follows_the_address(series, monkeypatch):
    monkeypatch.setattr(chapters, "repository_url", lambda: "https://github.com/me/mine")
    text = chapters.tidy(series[3]).read_text(encoding="utf-8")
    assert "github/me/mine/blob/main/notebooks/03_" in text
    assert "git+https://github.com/me/mine" in text
    assert repository_url() not in text


def test_tidy_brings_back_a_stub_that_was_solved(series):
    solved = chapters.read(series[1])
    answers = chapters.read(series[1].parent / "solutions" / series[1].name)
    whole = {cell["id"]: cell.source for cell in answers.cells}
    for cell in solved.cells:
        if cell["id"].endswith("-answer"):
            cell.source = whole[cell["id"]]
    chapters.write(solved, series[1])
    tidied = chapters.read(chapters.tidy(series[1]))
    assert [c.source for c in tidied.cells] == [c.source for c in chapters.read(CHAPTERS[1]).cells]


def test_neighbours_are_linked():
    for left, right in pairwise(CHAPTERS):
        assert f"({right.name})" in chapters.read(left).cells[0].source
        assert f"({left.name})" in chapters.read(right).cells[0].source


def outcomes(path, change, capsys):
    """Run the exercises of a solutions notebook; return what each self-check says."""
    names, said = {}, []
    for cell in code(chapters.read(path)):
        capsys.readouterr()
        exec(compile(change(cell.source), f"{path.stem} {cell['id']}", "exec"), names)
        if cell["id"].endswith("-check"):
            said += [line[0] for line in capsys.readouterr().out.splitlines() if line[0] in "✓✗"]
    return said


@pytest.mark.parametrize("path", SOLUTIONS, ids=NAMES)
def test_solutions_pass_their_checks_and_stubs_do_not(path, capsys):
    assert outcomes(path, lambda source: source, capsys) == ["✓"] * 3
    assert outcomes(path, chapters.stub, capsys) == ["✗"] * 3


def test_foreign_files_are_refused(tmp_path):
    (tmp_path / "03_x.ipynb").write_text("{}")
    with pytest.raises(ValueError, match="not a notebook"):
        chapters.read(tmp_path / "03_x.ipynb")
    with pytest.raises(FileNotFoundError, match="There is no chapter '42'"):
        chapters.choose(["42"])
    with pytest.raises(FileNotFoundError, match="no notebooks in"):
        chapters.chapters(tmp_path / "nowhere")
    assert chapters.choose(["03"]) == chapters.choose(["03_training"]) == [CHAPTERS[3]]


def test_progress_bars_and_warnings_are_dropped(tmp_path):
    bar = nbformat.v4.new_output("display_data", {chapters.WIDGET: {}, "text/plain": "50%"})
    noise = nbformat.v4.new_output("stream", name="stderr", text="warning")
    kept = nbformat.v4.new_output("stream", name="stdout", text="ok")
    half = [nbformat.v4.new_output("stream", name="stdout", text=x) for x in "ok"]
    cells = [
        nbformat.v4.new_markdown_cell("# 00 · X\n\nProse."),
        nbformat.v4.new_code_cell("1", outputs=[bar, half[0], noise, half[1]]),
    ]
    path = tmp_path / "00_x.ipynb"
    chapters.write(nbformat.v4.new_notebook(cells=cells, metadata={"widgets": {}}), path)
    tidied = chapters.read(chapters.tidy(path))
    assert tidied.cells[1].outputs == [kept]
    assert "widgets" not in tidied.metadata
    assert tidied.cells[0].source.splitlines()[0] == "# 00 · X"
    assert tidied.cells[0].source.endswith("Prose.")

"""The set-up files agree with each other, and nothing is tracked that must not be."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

import textsep_lab
from textsep_lab.models import checkpoints

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.10", "3.11", "3.12")
PLATFORMS = ("linux", "darwin", "win32")
LARGEST_BYTES = 25 * 2**20
ESC50_RECORDING = re.compile(r"\d-\d+-[A-Z]-\d+\.(wav|flac|ogg)", re.IGNORECASE)
MACHINE_PATH = re.compile(r"(?<![\w.~-])/(?:work|root)/")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def project() -> dict:
    return tomllib.loads(read("pyproject.toml"))["project"]


def requirements(lines: list[str]) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def tracked_files() -> list[Path]:
    """Return what git tracks and the work tree still has."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout
    return [path for name in listing.split("\0") if name and (path := ROOT / name).is_file()]


def constraints() -> list[Requirement]:
    lines = [line.split(" #")[0].strip() for line in read("constraints.txt").splitlines()]
    return [Requirement(line) for line in lines if line and not line.startswith("#")]


def pins_for(python: str, platform: str) -> dict[str, list[SpecifierSet]]:
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": platform,
        "os_name": "nt" if platform == "win32" else "posix",
        "platform_machine": "x86_64" if platform == "linux" else "arm64",
    }
    pins: dict[str, list[SpecifierSet]] = {}
    for requirement in constraints():
        if requirement.marker is None or requirement.marker.evaluate(environment):
            pins.setdefault(canonicalize_name(requirement.name), []).append(requirement.specifier)
    return pins


def environment_requirements() -> list[str]:
    """Return the pip section of environment.yml, the package itself left out."""
    (pip_section,) = [
        entry["pip"]
        for entry in yaml.safe_load(read("environment.yml"))["dependencies"]
        if isinstance(entry, dict)
    ]
    assert "-e ." in pip_section
    return [line for line in pip_section if not line.startswith("-")]


def test_version_is_the_same_everywhere():
    version = project()["version"]
    assert textsep_lab.__version__ == version, "reinstall the package: its version has changed"
    assert yaml.safe_load(read("CITATION.cff"))["version"] == version
    assert f"## [{version}]" in read("CHANGELOG.md")


def test_the_licence_covers_code_and_weights():
    assert project()["license"] == "MIT AND CC-BY-NC-3.0 AND Apache-2.0"
    assert read("LICENSE").startswith("MIT License\n")
    assert all((ROOT / file).is_file() for file in project()["license-files"])
    said = {each["name"]: each["licence"] for each in checkpoints.shipped()}
    folders = {path.name for path in (ROOT / "checkpoints").iterdir() if path.is_dir()}
    assert said.keys() == folders
    assert set(said.values()) <= set(project()["license"].split(" AND "))


def own_extras(lines: list[str]) -> list[str]:
    """Return requirements with those on extras of this package replaced by what these hold."""
    extras = project()["optional-dependencies"]
    flat = []
    for line in lines:
        requirement = Requirement(line)
        if requirement.name == project()["name"]:
            flat += own_extras([x for extra in requirement.extras for x in extras[extra]])
        else:
            flat.append(line)
    return flat


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("python", PYTHONS)
def test_constraints_pin_what_make_installs_exactly_once(python, platform):
    extras = project()["optional-dependencies"]
    wanted = [*project()["dependencies"], *own_extras([*extras["test"], *extras["docs"]])]
    pins = pins_for(python, platform)
    for line in wanted:
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is not None and not marker.evaluate({"python_version": python}):
            continue
        (specifier,) = pins.get(canonicalize_name(requirement.name), [None])
        assert specifier is not None, f"{requirement.name} is not pinned on {python}, {platform}"
        ((operator, version),) = [(s.operator, s.version) for s in specifier]
        assert operator == "=="
        assert version in requirement.specifier


def test_environment_has_every_dependency_and_extra():
    extras = project()["optional-dependencies"]
    listed_in = [*project()["dependencies"], *(x for extra in extras.values() for x in extra)]
    lines = own_extras(listed_in)
    # The environment has one Python, 3.11: a backport for an older one has no place in it.
    wanted = [
        requirement
        for requirement in map(Requirement, lines)
        if requirement.marker is None or requirement.marker.evaluate({"python_version": "3.11"})
    ]
    listed = requirements(environment_requirements())
    for requirement in wanted:
        name = canonicalize_name(requirement.name)
        if name == "packaging":  # comes with pytest
            continue
        assert name in listed, f"environment.yml lacks {name}"
        ((operator, version),) = [(s.operator, s.version) for s in listed[name].specifier]
        assert operator == "=="
        assert version in requirement.specifier, f"environment.yml: {name} {version}"


def test_every_line_of_environment_says_what_needs_it():
    section = read("environment.yml").split("\ndependencies:\n")[1]
    entries = [line for line in section.splitlines() if line.strip().startswith("- ")]
    bare = [line for line in entries if "pip:" not in line and not re.search(r" # \w", line)]
    assert len(entries) > 30
    assert not bare


# How a package is used where its own name is not what is imported.
USED_AS = {
    "google-genai": "from google import genai", "import-linter": "lint-imports",
    "jupyterlab": "-m jupyter lab", "lightning-fabric": "lightning_fabric",
    "mkdocs-click": "::: mkdocs-click", "mkdocs-material": "name: material", "mypy": "-m mypy",
    "nbval": "--nbval-lax", "pre-commit": "pre-commit install", "pyyaml": "import yaml",
    "ruff": "-m ruff", "scikit-learn": "sklearn", "ipykernel": '"python3"',
    "mkdocstrings": "mkdocstrings:", "speechbrain": "speechbrain.",
}  # fmt: skip


def test_every_package_of_environment_is_used():
    """Imported somewhere, run by make, or named as what it is in the file that uses it."""
    endings = {".py", ".ipynb", ".yml", ".yaml", ".md", ""}
    folders = {"textsep_lab", "tests", "notebooks", "docs", "checkpoints", ".ci"}
    files = [
        path for path in tracked_files()
        if path.suffix in endings and path.name != "environment.yml"
        and (path.parent == ROOT or path.relative_to(ROOT).parts[0] in folders)
    ]  # fmt: skip
    text = "\n".join(path.read_text(encoding="utf-8", errors="ignore") for path in files)
    for name in requirements(environment_requirements()):
        module = name.replace("-", "_")
        sign = USED_AS.get(name)
        used = sign in text if sign else re.search(rf"\b(import|from) {module}\b", text)
        assert used, f"environment.yml names {name}, which nothing uses"


def test_pre_commit_runs_the_ruff_of_the_constraints():
    repos = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    (revision,) = [repo["rev"] for repo in repos if "ruff" in repo["repo"]]
    assert f"=={revision.removeprefix('v')}" in {
        str(requirement.specifier) for requirement in constraints() if requirement.name == "ruff"
    }


def test_make_targets_named_in_the_readme_exist():
    readme = read("README.md")
    code = re.findall(r"^```.*?^```|`[^`\n]+`", readme, flags=re.MULTILINE | re.DOTALL)
    named = {
        target for part in code for target in re.findall(r"(?:^|[`$&;] *)make ([a-z]+)", part, re.M)
    }
    targets = set(re.findall(r"^([a-z]+):.*## ", read("Makefile"), flags=re.MULTILINE))
    assert {"demo", "test"} <= named
    assert named <= targets


def test_continuous_integration_runs_the_make_targets():
    workflow = yaml.safe_load(read(".github/workflows/ci.yml"))
    commands = [step.get("run", "") for step in workflow["jobs"]["test"]["steps"]]
    assert any(command.startswith("make test") for command in commands)
    assert any(command.startswith("make demo") for command in commands)
    assert read(".ci/run").splitlines()[-1] == "make test"


def test_no_tracked_file_is_large():
    large = [path.name for path in tracked_files() if path.stat().st_size > LARGEST_BYTES]
    assert not large


def test_no_tracked_file_is_a_recording_of_esc50():
    recordings = [path.name for path in tracked_files() if ESC50_RECORDING.search(path.name)]
    assert not recordings


def test_no_tracked_text_names_a_path_of_one_machine():
    found = []
    for path in tracked_files():
        content = path.read_bytes()
        if b"\0" in content[:8192]:
            continue
        lines = content.decode("utf-8", errors="replace").splitlines()
        found += [
            f"{path.relative_to(ROOT)}:{number}"
            for number, line in enumerate(lines, start=1)
            if MACHINE_PATH.search(line)
        ]
    assert not found

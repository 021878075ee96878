"""Files that appear whole or not at all, and folders that can be written or are refused."""

import os
import stat

import numpy as np
import pytest
from safetensors.numpy import save_file

from textsep_lab.utils import paths, temporary
from textsep_lab.utils.paths import atomic_write, check_folder, make_folder

posix = pytest.mark.skipif(os.name == "nt", reason="POSIX")
DEAD = 2**30  # no process has this number


@pytest.mark.parametrize("name", ["a", "a.csv", "x" * 248 + ".wav", "a." + "y" * 246, ".hidden"])
def test_any_name_the_disk_allows_can_be_written(tmp_path, name):
    for text in ("first", "second"):
        with atomic_write(tmp_path / name) as temporary_path:
            assert len(os.fsencode(temporary_path.name)) < 64
            temporary_path.write_text(text)
            assert temporary.owner(temporary_path) == os.getpid()
        assert (tmp_path / name).read_text() == text
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_short_ending_is_kept_for_those_who_go_by_it(tmp_path):
    with atomic_write(tmp_path / "table.csv.gz") as path:
        assert path.suffix == ".gz"
        path.touch()


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt, MemoryError])
def test_what_fails_leaves_the_old_file(tmp_path, error):
    (tmp_path / "a").write_text("old")
    with pytest.raises(error), atomic_write(tmp_path / "a") as path:
        path.write_text("half")
        raise error
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a", "old")]


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_files_are_as_private_as_others(tmp_path, umask):
    before = os.umask(umask)
    try:
        with atomic_write(tmp_path / "text") as path:
            path.write_text("x")
        with atomic_write(tmp_path / "net.safetensors") as path:
            save_file({"x": np.zeros(3)}, path)
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o666 & ~umask}


@posix
def test_leftovers_of_the_dead_are_swept_and_those_of_the_living_are_not(tmp_path):
    machine = temporary._machine()
    dead, living = (tmp_path / f".textsep-{machine}-{n}-00000000.csv" for n in (DEAD, os.getppid()))
    for path in (dead, living):
        path.write_text("half")
    (tmp_path / ".textsep-mine.csv").write_text("mine")
    folder = tmp_path / f".textsep-{machine}-{DEAD}-11111111"  # a transaction's, not a file's
    folder.mkdir()
    with atomic_write(tmp_path / "a.csv") as path:
        path.write_text("whole")
    assert {p.name for p in tmp_path.iterdir()} == {
        "a.csv", living.name, ".textsep-mine.csv", folder.name
    }  # fmt: skip


@pytest.mark.parametrize("number", [DEAD, 2**70])
def test_a_number_that_no_process_has_is_dead(tmp_path, number):
    assert not temporary._is_alive(number)
    assert temporary._is_alive(os.getpid())


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "a").mkdir()
    with pytest.raises(IsADirectoryError, match="a' is a folder"), atomic_write(tmp_path / "a"):
        pass


@posix
def test_a_device_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="is a device or a pipe"), atomic_write(tmp_path / "pipe"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


@posix
def test_folders_that_cannot_be_made_are_found_without_making_any(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("nowhere")
    for name, said in [
        ("file", "a file stands"), ("file/in", "a file stands"), ("link", "a link to nowhere"),
        ("x" * 300, "File name too long"),
    ]:  # fmt: skip
        for attempt in (check_folder, make_folder):
            with pytest.raises(OSError, match=f"The output folder '.*' cannot be made: {said}"):
                attempt(tmp_path / name)
    check_folder(tmp_path / "new" / "newer")
    assert not (tmp_path / "new").exists()
    assert make_folder(tmp_path / "new" / "newer").is_dir()
    monkeypatch.setattr(paths.os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(PermissionError, match="is not writable"):
        check_folder(tmp_path / "newest")

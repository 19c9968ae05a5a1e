"""Files replaced as a whole, on disks that refuse."""

import errno
import os
from pathlib import Path

import pytest

from deepcollapse.errors import DeepcollapseError
from deepcollapse.networks.replacing import WritingError, replace_file


def test_the_content_takes_the_place_of_the_old(tmp_path: Path):
    for content in (b"one", b"another", b""):
        replace_file(tmp_path / "file", content)
        assert (tmp_path / "file").read_bytes() == content
    assert [held.name for held in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_content_and_nothing_beside(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    replace_file(tmp_path / "file", b"old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os if call == "fsync" else Path, call, full)
    expected = (
        r"file: expected to write 3 bytes, but found: No space left on device; free some space or make the folder"
    )
    with pytest.raises(WritingError, match=expected):
        replace_file(tmp_path / "file", b"new")
    monkeypatch.undo()
    assert [(held.name, held.read_bytes()) for held in tmp_path.iterdir()] == [("file", b"old")]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_real_full_device(tmp_path: Path):
    (tmp_path / "file.part").symlink_to("/dev/full")
    with pytest.raises(WritingError, match="No space left on device"):
        replace_file(tmp_path / "file", b"x" * 10**5)


def test_it_is_an_error_of_ours_and_of_files(tmp_path: Path):
    for base in (DeepcollapseError, OSError):
        with pytest.raises(base, match="expected to write 1 bytes, but found: No such file or directory"):
            replace_file(tmp_path / "nowhere" / "file", b"x")

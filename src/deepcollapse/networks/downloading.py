"""Downloads of the public image sets, checked against their published MD5 sums, resumed where they broke off."""

import shutil
import tarfile
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deepcollapse.errors import DownloadError, InvalidInputError
from deepcollapse.optional import optional_module

__all__ = ["SOURCES", "RemoteFile", "download"]

_CHUNK = 2**16  # bytes


@dataclass(frozen=True, slots=True)
class RemoteFile:
    """One file of a data set.

    Attributes:
        path: where it belongs below the root, in torchvision's layout; an archive is unpacked in the root.
        md5: its published check sum.
        urls: mirrors, in the order in which they are tried.
        folder: what unpacking an archive makes below the root; None for a plain file.
    """

    path: str
    md5: str
    urls: tuple[str, ...]
    folder: str | None = None


def _idx(folder: str, sums: Mapping[str, str], *mirrors: str) -> tuple[RemoteFile, ...]:
    return tuple(
        RemoteFile(f"{folder}/raw/{name}.gz", md5, tuple(f"{mirror}{name}.gz" for mirror in mirrors))
        for name, md5 in sums.items()
    )


def _cifar(name: str, md5: str, folder: str) -> tuple[RemoteFile, ...]:
    hosts = ("https://www.cs.toronto.edu/~kriz/", "https://cave.cs.toronto.edu/kriz/")
    return (RemoteFile(name, md5, tuple(host + name for host in hosts), folder),)


SOURCES: Mapping[str, tuple[RemoteFile, ...]] = {
    "mnist": _idx(
        "MNIST",
        {
            "train-images-idx3-ubyte": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
            "train-labels-idx1-ubyte": "d53e105ee54ea40749a09fcbcd1e9432",
            "t10k-images-idx3-ubyte": "9fb629c4189551a2d022fa330f9573f3",
            "t10k-labels-idx1-ubyte": "ec29112dd5afa0611ce80d1b7f02629c",
        },
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "https://storage.googleapis.com/cvdf-datasets/mnist/",
    ),
    "fashion-mnist": _idx(
        "FashionMNIST",
        {
            "train-images-idx3-ubyte": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "train-labels-idx1-ubyte": "25c81989df183df01b3e8a0aad5dffbe",
            "t10k-images-idx3-ubyte": "bef4ecab320f06d8554ea6380940ec79",
            "t10k-labels-idx1-ubyte": "bb300cfdad3c16e7a12a480ee83cd310",
        },
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
    ),
    "cifar10": _cifar("cifar-10-binary.tar.gz", "c32a1d4ab5d03f1284b67883e8d87530", "cifar-10-batches-bin"),
    "cifar100": _cifar("cifar-100-binary.tar.gz", "03b5dce01913d631647c71ecec9e9cb8", "cifar-100-binary"),
}
"""Files of each data set, by name."""


def download(name: str, root: str | Path, *, progress: Callable[[str, int], None] | None = None) -> tuple[Path, ...]:
    """Fetch what is missing of a data set; files that are there with the right check sum are left alone.

    A download that broke off leaves ``<file>.part`` and goes on from there the next time, where the server can.

    Args:
        name: "mnist", "fashion-mnist", "cifar10" or "cifar100".
        root: folder of data sets, made if need be.
        progress: called with the file's name and the bytes it has so far.

    Returns:
        The files, in the order of ``SOURCES``.

    Raises:
        InvalidInputError: no such data set.
        MissingExtraError: pooch is not installed.
        DownloadError: no mirror gave the file; it says which file is expected in which folder.
    """
    if name not in SOURCES:
        raise InvalidInputError(f"data set: expected one of {list(SOURCES)}, but found {name!r}; name another")
    return tuple(_fetched(file, Path(root), progress) for file in SOURCES[name])


def _fetched(file: RemoteFile, root: Path, progress: Callable[[str, int], None] | None) -> Path:
    target, reasons = root / file.path, []
    for url in file.urls:
        downloader = _Resuming(target.with_name(f"{target.name}.part"), progress)
        try:
            _pooch().retrieve(
                url, known_hash=f"md5:{file.md5}", fname=target.name, path=target.parent, downloader=downloader
            )
        except (OSError, ValueError) as error:  # requests' errors are OSErrors; pooch's of a wrong sum is a ValueError
            reasons.append(f"{url}: {str(error).splitlines()[0]}")
            continue
        if file.folder:
            _unpack(target, root / file.folder)
        return target
    place = f"the folder {root / file.folder}" if file.folder else f"the file {target}"
    raise DownloadError(
        f"download: expected one of {len(file.urls)} mirrors to give {target.name}, but found {'; '.join(reasons)}; "
        f"without a network, put {place} (MD5 of {target.name}: {file.md5}) there by hand"
    )


@dataclass(frozen=True, slots=True)
class _Resuming:
    """Downloads for pooch: appends to a part that is there, and moves it to where pooch wants it once it is whole."""

    part: Path
    progress: Callable[[str, int], None] | None

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        requests = optional_module("requests", extra="data")
        done = self.part.stat().st_size if self.part.exists() else 0
        with requests.get(url, headers={"Range": f"bytes={done}-"} if done else {}, stream=True, timeout=30) as answer:
            whole = answer.status_code == requests.codes.requested_range_not_satisfiable  # nothing is left to send
            if not whole:
                answer.raise_for_status()
                self._write(answer, append=answer.status_code == requests.codes.partial_content)
        shutil.move(self.part, output_file)  # a wrong part fails pooch's check and is gone

    def _write(self, answer: Any, *, append: bool) -> None:
        with self.part.open("ab" if append else "wb") as stream:
            for chunk in answer.iter_content(_CHUNK):
                stream.write(chunk)
                if self.progress:
                    self.progress(self.part.stem, stream.tell())


def _unpack(archive: Path, folder: Path) -> None:
    """All of the archive's folder or nothing; tarfile's data filter refuses members that would leave it."""
    if folder.is_dir():
        return
    with tempfile.TemporaryDirectory(dir=folder.parent) as aside, tarfile.open(archive) as members:
        members.extractall(aside, filter="data")
        Path(aside, folder.name).rename(folder)


def _pooch() -> Any:
    pooch = optional_module("pooch", extra="data")
    pooch.get_logger().setLevel("WARNING")  # what it tells besides is told by ``progress``
    return pooch

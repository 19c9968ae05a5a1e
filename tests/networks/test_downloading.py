"""Downloads from a server of our own that breaks off, lies, or is not there."""

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from deepcollapse.errors import DownloadError, InvalidInputError, MissingExtraError
from deepcollapse.networks import downloading as module
from deepcollapse.networks.downloading import SOURCES, RemoteFile, download

pytest.importorskip("pooch")

CONTENT = bytes(range(256)) * 5000


@dataclass
class Server:
    """Serves ``files``; gives up after ``limit`` bytes of an answer; remembers the ranges asked for."""

    files: dict[str, bytes] = field(default_factory=dict)
    limit: int | None = None
    ranges: list[str | None] = field(default_factory=list)
    understands_ranges: bool = True
    address: str = ""


@pytest.fixture
def server() -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers["Range"]
            state.ranges.append(wanted)
            content = state.files.get(self.path.strip("/"))
            if content is None:
                self.send_error(404)
                return
            first = int(wanted[6:-1]) if wanted and state.understands_ranges else 0
            if first and first >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if first else 200)
            self.send_header("Content-Length", str(len(content) - first))
            self.end_headers()
            self.wfile.write(content[first : None if state.limit is None else first + state.limit])

        def log_message(self, *_):
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        state.address = f"http://127.0.0.1:{running.server_port}/"
        yield state
        running.shutdown()


def offer(monkeypatch, server, content, *, urls=None, path="set/raw/file.gz", folder=None):
    server.files["file.gz"] = content
    urls = urls or (server.address + "file.gz",)
    file = RemoteFile(path, hashlib.md5(content, usedforsecurity=False).hexdigest(), urls, folder)
    monkeypatch.setattr(module, "SOURCES", {"ours": (file,)})


def test_a_file_comes_once(monkeypatch, server, tmp_path):
    offer(monkeypatch, server, CONTENT)
    seen = []
    (file,) = download("ours", tmp_path, progress=lambda name, size: seen.append((name, size)))
    assert file == tmp_path / "set/raw/file.gz"
    assert file.read_bytes() == CONTENT
    assert seen[-1] == ("file.gz", len(CONTENT))
    assert [path.name for path in file.parent.iterdir()] == ["file.gz"]
    download("ours", tmp_path)
    assert server.ranges == [None]


@pytest.mark.parametrize("understands", [True, False])
def test_a_download_that_broke_off_goes_on(monkeypatch, server, tmp_path, understands):
    offer(monkeypatch, server, CONTENT)
    server.limit = 2**19
    with pytest.raises(DownloadError):
        download("ours", tmp_path)
    part = tmp_path / "set/raw/file.gz.part"
    had = part.stat().st_size
    assert had > 0
    assert part.read_bytes() == CONTENT[:had]
    server.limit, server.understands_ranges = None, understands
    (file,) = download("ours", tmp_path)
    assert file.read_bytes() == CONTENT
    assert server.ranges == [None, f"bytes={had}-"]
    assert not part.exists()


def test_a_whole_part_is_enough(monkeypatch, server, tmp_path):
    offer(monkeypatch, server, CONTENT)
    (tmp_path / "set/raw").mkdir(parents=True)
    (tmp_path / "set/raw/file.gz.part").write_bytes(CONTENT)
    (file,) = download("ours", tmp_path)
    assert file.read_bytes() == CONTENT


def test_the_next_mirror_helps(monkeypatch, server, tmp_path):
    dead = "http://127.0.0.1:9/file.gz"
    offer(monkeypatch, server, CONTENT, urls=(dead, server.address + "nothing", server.address + "file.gz"))
    assert download("ours", tmp_path)[0].read_bytes() == CONTENT


def test_wrong_content_is_not_kept(monkeypatch, server, tmp_path):
    offer(monkeypatch, server, CONTENT)
    server.files["file.gz"] = b"a page that says sorry"
    with pytest.raises(DownloadError, match=r"expected one of 1 mirrors to give file\.gz"):
        download("ours", tmp_path)
    assert list((tmp_path / "set/raw").iterdir()) == []


def test_without_a_network_it_says_what_to_put_where(monkeypatch, server, tmp_path):
    offer(monkeypatch, server, CONTENT, urls=("http://127.0.0.1:9/file.gz",))
    with pytest.raises(
        DownloadError, match=rf"put the file {tmp_path}/set/raw/file.gz \(MD5 of file.gz: [0-9a-f]{{32}}\)"
    ):
        download("ours", tmp_path)
    offer(monkeypatch, server, CONTENT, urls=("http://127.0.0.1:9/file.gz",), path="file.gz", folder="inside")
    with pytest.raises(DownloadError, match=f"put the folder {tmp_path}/inside "):
        download("ours", tmp_path)


def archive(name: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as members:
        info = tarfile.TarInfo(name)
        info.size = 3
        members.addfile(info, io.BytesIO(b"abc"))
    return packed.getvalue()


def test_an_archive_is_unpacked(monkeypatch, server, tmp_path):
    offer(monkeypatch, server, archive("inside/data.bin"), path="file.gz", folder="inside")
    download("ours", tmp_path)
    download("ours", tmp_path)
    assert (tmp_path / "inside/data.bin").read_bytes() == b"abc"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file.gz", "inside"]


def test_an_archive_stays_in_its_folder(monkeypatch, server, tmp_path):
    offer(monkeypatch, server, archive("../outside.bin"), path="file.gz", folder="inside")
    with pytest.raises(tarfile.OutsideDestinationError):
        download("ours", tmp_path / "root")
    assert not (tmp_path / "outside.bin").exists()


def test_unknown_sets_and_missing_extras(monkeypatch, tmp_path):
    with pytest.raises(InvalidInputError, match=r"expected one of \['mnist', .*but found 'imagenet'"):
        download("imagenet", tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(MissingExtraError, match=r"python -m pip install .*\[data\]"):
        download("mnist", tmp_path)


def test_every_source_has_a_sum_and_mirrors():
    files = [file for source in SOURCES.values() for file in source]
    assert len({file.md5 for file in files}) == len(files) == 10
    for file in files:
        assert len(bytes.fromhex(file.md5)) == 16
        assert len(file.urls) == 2
        assert all(url.endswith("/" + file.path.rsplit("/")[-1]) for url in file.urls)

"""Fetching a corpus from a local server that has every fault."""

import dataclasses
import hashlib
import io
import re
import shutil
import socket
import tarfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from range_server import RangeServer

from pwavenet_tf import cli
from pwavenet_tf.core.errors import UserError
from pwavenet_tf.corpus.download import DATASETS, Dataset, download

FILES = {
    "README": b"A corpus.",
    "metadata.csv": "a|é|é\n".encode(),
    "wavs/a.wav": np.random.default_rng(0).bytes(60_000),
}


def archive(files=None, top="Corpus-1.0"):
    """A tar archive of one folder, compressed by bzip2."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:bz2") as members:
        folder = tarfile.TarInfo(top)
        folder.type = tarfile.DIRTYPE
        folder.mode = 0o755
        members.addfile(folder)
        for name, content in (files or FILES).items():
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size = len(content)
            members.addfile(member, io.BytesIO(content))
    return packed.getvalue()


ARCHIVE = archive()


def dataset(server, content=ARCHIVE, **changes):
    known = Dataset(
        name="Corpus",
        url=server.url(),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        unpacked_size=100_000,
        licence="public domain",
    )
    return dataclasses.replace(known, **changes)


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def fetched(server, place, **changes):
    download(dataset(server, **changes), place / "corpus", pause_seconds=0)
    assert contents(place) == {
        f"corpus/{name}": content for name, content in FILES.items()
    }


def test_a_corpus_is_fetched_unpacked_and_nothing_else_is_left(tmp_path):
    with RangeServer(ARCHIVE) as server:
        fetched(server, tmp_path / "new" / "place")
    assert server.asked == [None]


@pytest.mark.network
@given(cuts=st.lists(st.integers(1, len(ARCHIVE) // 4), max_size=5))
@settings(max_examples=10)
def test_a_connection_that_breaks_off_is_gone_on_with(tmp_path_factory, cuts):
    """Nothing is fetched twice, wherever it broke off."""
    with RangeServer(ARCHIVE, cuts=tuple(cuts)) as server:
        place = tmp_path_factory.mktemp("download")
        download(dataset(server), place / "corpus", pause_seconds=0)
        assert contents(place / "corpus") == FILES
    starts = np.cumsum([0, *cuts])[: len(server.asked)].tolist()
    assert server.asked == [
        f"bytes={start}-" if start else None for start in starts
    ]
    assert server.sent == len(ARCHIVE)


def test_what_had_arrived_is_gone_on_from_another_time(tmp_path):
    half = len(ARCHIVE) // 2
    with (
        RangeServer(ARCHIVE, cuts=(half, 0, 0, 0)) as server,
        pytest.raises(UserError, match=f"after {half} of {len(ARCHIVE)}"),
    ):
        fetched(server, tmp_path)
    assert contents(tmp_path) == {"corpus.tar.bz2.part": ARCHIVE[:half]}
    with RangeServer(ARCHIVE) as server:
        fetched(server, tmp_path)
    assert server.asked == [f"bytes={half}-"]


def test_a_server_without_ranges_starts_again(tmp_path):
    (tmp_path / "corpus.tar.bz2.part").write_bytes(b"x" * 1_000)
    with RangeServer(ARCHIVE, ranges=False, cuts=(5_000,)) as server:
        fetched(server, tmp_path)
    assert server.asked == ["bytes=1000-", "bytes=5000-"]


def test_an_archive_that_is_there_whole_needs_no_network(tmp_path):
    """As when it was fetched by other means."""
    with RangeServer(ARCHIVE) as server:
        known = dataset(server)
    (tmp_path / "corpus.tar.bz2.part").write_bytes(ARCHIVE)
    download(known, tmp_path / "corpus")
    assert contents(tmp_path / "corpus") == FILES


@pytest.mark.parametrize(
    "content",
    [ARCHIVE[:-1] + b"\0", ARCHIVE + b"more", ARCHIVE[:-9]],
    ids=["changed", "longer", "shorter"],
)
def test_another_archive_is_refused_and_removed(tmp_path, content):
    with RangeServer(content) as server:
        with pytest.raises(UserError, match="removed") as caught:
            fetched(server, tmp_path)
        assert server.url() in str(caught.value)
    assert contents(tmp_path) == {}


def test_a_damaged_part_is_told_by_the_checksum(tmp_path):
    (tmp_path / "corpus.tar.bz2.part").write_bytes(b"x" * 1_000)
    with RangeServer(ARCHIVE) as server:
        with pytest.raises(UserError, match="SHA-256.*run it again"):
            fetched(server, tmp_path)
        fetched(server, tmp_path)


def test_a_passing_fault_of_the_server_is_waited_for(tmp_path):
    with RangeServer(ARCHIVE, status=503, errors=2) as server:
        fetched(server, tmp_path)
    assert len(server.asked) == 3


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (403, 1), (503, 3)])
def test_a_lasting_fault_of_the_server_is_reported(tmp_path, status, requests):
    with (
        RangeServer(ARCHIVE, status=status, errors=-1) as server,
        pytest.raises(UserError, match=f"answers {status}"),
    ):
        fetched(server, tmp_path / "deep")
    assert len(server.asked) == requests
    assert list(tmp_path.iterdir()) == []


def test_without_network_the_message_says_what_to_do(tmp_path):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with RangeServer(ARCHIVE) as server:
        known = dataset(server, url=f"http://127.0.0.1:{port}/corpus.tar.bz2")
    with pytest.raises(UserError) as caught:
        download(known, tmp_path / "a" / "corpus", pause_seconds=0)
    for message in (
        f"127.0.0.1:{port}: cannot be reached",
        "refused",
        "run it again",
        f"{tmp_path}/a/corpus.tar.bz2.part",
    ):
        assert message in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_name_that_nobody_knows_is_no_network_either(tmp_path):
    with RangeServer(ARCHIVE) as server:
        known = dataset(server, url="http://corpus.invalid/corpus.tar.bz2")
    with pytest.raises(UserError, match="corpus.invalid: cannot be reached"):
        download(known, tmp_path / "corpus", pause_seconds=0)


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "mine").write_text("mine")
    with (
        RangeServer(ARCHIVE) as server,
        pytest.raises(UserError, match="already holds something"),
    ):
        download(dataset(server), tmp_path / "corpus")
    assert contents(tmp_path) == {"corpus/mine": b"mine"}
    assert server.asked == []


def test_too_little_room_is_told_before_anything_is_fetched(tmp_path):
    huge = shutil.disk_usage(tmp_path).free + 10**12
    with (
        RangeServer(ARCHIVE) as server,
        pytest.raises(UserError, match="GB free and .* are needed"),
    ):
        fetched(server, tmp_path / "new", unpacked_size=huge)
    assert server.asked == [] and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../../evil", "/../evil", "wavs/../../evil"])
def test_an_archive_writes_nowhere_else(tmp_path, name):
    evil = archive(FILES | {name: b"evil"})
    place = tmp_path / "a" / "b"
    with (
        RangeServer(evil) as server,
        pytest.raises(UserError, match="cannot be unpacked"),
    ):
        download(dataset(server, evil), place / "corpus")
    assert not list(tmp_path.rglob("*evil*"))
    assert not (place / "corpus").exists()
    assert not list(place.glob(".unfinished*"))


@pytest.mark.parametrize(
    "files",
    [{"zeros": bytes(200_000)}, {str(number): b"" for number in range(500)}],
)
def test_an_archive_of_more_than_expected_is_refused(tmp_path, files):
    """Many files without content take room as well."""
    bomb = archive(files)
    assert len(bomb) < 20_000
    with (
        RangeServer(bomb) as server,
        pytest.raises(UserError, match="far more than the 100,000 bytes"),
    ):
        download(dataset(server, bomb), tmp_path / "corpus")
    assert set(contents(tmp_path)) == {"corpus.tar.bz2.part"}


def test_what_is_no_archive_leaves_no_folder(tmp_path):
    letter = b"This is not the file that you are looking for." * 50
    with (
        RangeServer(letter) as server,
        pytest.raises(UserError, match="cannot be unpacked"),
    ):
        download(dataset(server, letter), tmp_path / "corpus")
    assert set(contents(tmp_path)) == {"corpus.tar.bz2.part"}


def test_lj_speech_is_what_its_publisher_has():
    known = DATASETS["ljspeech"]
    assert known.archive == "LJSpeech-1.1.tar.bz2"
    assert re.fullmatch("[0-9a-f]{64}", known.sha256)
    assert known.size == 2_748_572_632


# The command


@pytest.fixture
def tiny(monkeypatch):
    """A server with a small corpus in the place of LJ Speech."""
    with RangeServer(ARCHIVE) as server:
        monkeypatch.setitem(DATASETS, "ljspeech", dataset(server))
        yield server


@pytest.mark.parametrize("word", ["ljspeech", "--dataset=ljspeech"])
def test_the_command_fetches_and_says_what_comes_next(
    tiny, tmp_path, capsys, word
):
    out = tmp_path / "corpus"
    assert cli.main(["download", word, f"--out={out}"]) == 0
    assert contents(out) == FILES
    assert f"pwavenet audit --corpus={out}" in capsys.readouterr().out


def test_another_url_is_taken(tiny, tmp_path):
    with RangeServer(ARCHIVE) as mirror:
        url = mirror.url("mirrored.tar.bz2")
        arguments = ["ljspeech", f"--out={tmp_path / 'c'}", f"--url={url}"]
        assert cli.main(["download", *arguments]) == 0
    assert (len(mirror.asked), len(tiny.asked)) == (1, 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "--dataset and --out are missing"),
        ("ljspeech", "--out is missing; add --out=DIR"),
        ("ljspech --out={out}", "did you mean --dataset=ljspeech?"),
        ("ljspeech more --out={out}", "'more' is not a flag"),
        ("ljspeech --out={out} --url=/etc/passwd", "does not begin with http"),
        ("ljspeech --out={file}/x", "is a file"),
        ("ljspeech --out={file}", "is a file"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tiny, tmp_path, capsys, arguments, message
):
    file = tmp_path / "file"
    file.touch()
    places = {"out": tmp_path / "out", "file": file}
    given = arguments.format(**places).split()
    assert cli.main(["download", *given]) == 2
    error = capsys.readouterr().err
    assert error.startswith("pwavenet download: ") and error.count("\n") == 1
    assert message in error
    assert list(tmp_path.iterdir()) == [file] and tiny.asked == []

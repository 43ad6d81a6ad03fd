"""Downloads: an archive, resumed and verified, then unpacked as a whole."""

import dataclasses
import hashlib
import http.client
import shutil
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path, PurePosixPath

from pwavenet_tf.core.errors import UserError
from pwavenet_tf.core.files import atomic_write, require_free
from pwavenet_tf.core.progress import Bar

_CHUNK = 1 << 18
_TIMEOUT_SECONDS = 30
# Without a single byte more, so many times in a row, it is given up.
_ATTEMPTS_WITHOUT_PROGRESS = 3
# Of what is unpacked, with the archive's own headers, over what is expected.
_MOST_EXCESS = 1.5


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A corpus as a tar archive with one folder in it; sizes are in bytes."""

    name: str
    url: str
    size: int
    sha256: str
    unpacked_size: int
    licence: str

    @property
    def archive(self) -> str:
        """The archive's file name."""
        return Path(urllib.parse.urlsplit(self.url).path).name


DATASETS = {
    "ljspeech": Dataset(
        name="LJ Speech 1.1",
        url="https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2",
        size=2_748_572_632,
        sha256=(
            "be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5"
        ),
        unpacked_size=3_801_111_440,
        licence="public domain",
    )
}


def download(dataset: Dataset, out: Path, pause_seconds: float = 2.0) -> None:
    """Fetches a corpus, with pauses between attempts, checks it and unpacks it.

    What has arrived is kept next to `out` in a file whose name ends in `.part`;
    the download resumes from it, now or another time, and it is removed once
    the corpus is unpacked.

    Raises:
        UserError: If `out` already holds something or there is no room, if
            the server cannot be reached, breaks off again and again or has no
            such file, or if what came is not what it should be.
    """
    out = Path(out).absolute()
    require_free(out)
    part = out.parent / f"{dataset.archive}.part"
    _require_room(dataset, part)
    _fetch_all(dataset, part, pause_seconds)
    _require_whole(dataset, part)
    unpack(part, out, dataset.unpacked_size)
    part.unlink()


def _arrived(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _require_room(dataset: Dataset, part: Path) -> None:
    missing = max(dataset.size - _arrived(part), 0)
    needed = missing + dataset.unpacked_size
    place = next(parent for parent in part.parents if parent.exists())
    free = shutil.disk_usage(place).free
    if free < needed:
        raise UserError(
            f"{place}: has {free / 1e9:.1f} GB free and "
            f"{needed / 1e9:.1f} GB are needed for {dataset.name}; make room "
            "or name another place"
        )


def _fetch_all(dataset: Dataset, part: Path, pause_seconds: float) -> None:
    """Fetches until all has arrived."""
    without_progress = 0
    with Bar(
        total=dataset.size,
        initial=_arrived(part),
        desc=dataset.archive,
        unit="B",
        unit_scale=True,
    ) as bar:
        while (before := _arrived(part)) < dataset.size:
            try:
                _fetch(dataset.url, part, bar)
                fault = "the connection was closed"
            except urllib.error.HTTPError as error:
                if error.code < http.client.INTERNAL_SERVER_ERROR:
                    raise _refused(dataset, part, error) from error
                fault = f"the server answers {error.code} {error.reason}"
            except (OSError, http.client.HTTPException) as error:
                # Sockets' errors have no file name, and urllib wraps them.
                if isinstance(error, OSError) and error.filename is not None:
                    raise
                fault = str(getattr(error, "reason", error) or error)
            without_progress += 1
            if _arrived(part) > before:
                without_progress = 0
            if without_progress == _ATTEMPTS_WITHOUT_PROGRESS:
                host = urllib.parse.urlsplit(dataset.url).netloc
                raise UserError(
                    f"{host}: cannot be reached or breaks off ({fault}) after "
                    f"{_arrived(part)} of {dataset.size} bytes; run it again "
                    f"to resume from there, or fetch {dataset.url} by other "
                    f"means to {part}"
                )
            if _arrived(part) < dataset.size:
                time.sleep(pause_seconds)


def _fetch(url: str, part: Path, bar) -> None:
    """One attempt, from where the last one stopped."""
    start = _arrived(part)
    request = urllib.request.Request(url)
    if start:
        request.add_header("Range", f"bytes={start}-")
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        if answer.status != http.client.PARTIAL_CONTENT:
            # A server without ranges starts again.
            start = 0
        part.parent.mkdir(parents=True, exist_ok=True)
        bar.reset(bar.total)
        bar.update(start)
        with open(part, "ab" if start else "wb") as file:
            while chunk := answer.read(_CHUNK):
                try:
                    file.write(chunk)
                    file.flush()
                except OSError as error:
                    # These do not know the file, unlike those of opening it.
                    code, text = error.errno, error.strerror
                    raise OSError(code, text, str(part)) from error
                bar.update(len(chunk))


def _require_whole(dataset: Dataset, part: Path) -> None:
    """Refuses an archive that is not the one it should be."""
    size = _arrived(part)
    digest = hashlib.sha256()
    with (
        open(part, "rb") as file,
        Bar(total=size, desc="check", unit="B", unit_scale=True) as bar,
    ):
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
            bar.update(len(chunk))
    if size == dataset.size and digest.hexdigest() == dataset.sha256:
        return
    part.unlink()
    raise UserError(
        f"{dataset.url}: what came is not {dataset.name} ({size} bytes with "
        f"the SHA-256 {digest.hexdigest()}, expected were {dataset.size} with "
        f"{dataset.sha256}); it was removed: run it again, or name another "
        "--url"
    )


def _refused(
    dataset: Dataset, part: Path, error: urllib.error.HTTPError
) -> UserError:
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
        # The server's file ends before the one that is looked for.
        part.unlink()
        return UserError(
            f"{dataset.url}: is not {dataset.name}, it is too short; what "
            "came was removed: name another --url"
        )
    return UserError(
        f"{dataset.url}: the server answers {error.code} ({error.reason}); "
        "name another --url, or try again later"
    )


def unpack(archive: Path, out: Path, expected_bytes: int) -> None:
    """Unpacks a tar archive of one folder; that folder becomes `out`.

    Raises:
        UserError: If the archive is damaged, holds far more than expected or
            would write elsewhere, or if `out` cannot be written.
    """
    size = archive.stat().st_size
    with (
        atomic_write(out) as folder,
        open(archive, "rb") as file,
        Bar(total=size, desc="unpack", unit="B", unit_scale=True) as bar,
    ):
        folder.mkdir()
        unpacked = 0
        try:
            # As a stream: seeking in it would decompress it again and again.
            with tarfile.open(fileobj=file, mode="r|*") as members:
                for member in members:
                    # A file without content takes room as well.
                    unpacked += member.size + tarfile.BLOCKSIZE
                    if unpacked > _MOST_EXCESS * expected_bytes:
                        raise _too_large(archive, expected_bytes)
                    # Without the outermost folder, which is `folder`.
                    if parts := PurePosixPath(member.name).parts[1:]:
                        inside = member.replace(
                            name="/".join(parts), deep=False
                        )
                        members.extract(inside, folder, filter="data")
                    bar.update(file.tell() - bar.n)
        except UserError:
            raise
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise UserError(
                f"{archive}: cannot be unpacked ({error}); fetch it again"
            ) from error


def _too_large(archive: Path, expected_bytes: int) -> UserError:
    return UserError(
        f"{archive}: unpacks to far more than the {expected_bytes:,} bytes "
        "expected, and is not the archive that it should be; remove it and "
        "fetch it again"
    )

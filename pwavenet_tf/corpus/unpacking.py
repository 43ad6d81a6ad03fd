"""An archive unpacked beside its place and put there when it is whole."""

import tarfile
from pathlib import Path, PurePosixPath

from pwavenet_tf.errors import UserError
from pwavenet_tf.files import written_aside


def unpack(archive: Path, out: Path) -> None:
    """Unpacks a tar archive of one folder; that folder becomes `out`.

    Args:
        archive: A tar file, compressed in any way that Python knows.
        out: The folder; it appears only when it is complete.

    Raises:
        UserError: If the archive is damaged or would write elsewhere, or if
            `out` cannot be written.
    """
    from tqdm import tqdm

    with (
        written_aside(out) as folder,
        open(archive, "rb") as file,
        tqdm(
            total=archive.stat().st_size,
            desc="unpack",
            unit="B",
            unit_scale=True,
            disable=None,
        ) as bar,
    ):
        folder.mkdir()
        try:
            # As a stream: seeking in it would decompress it again and again.
            with tarfile.open(fileobj=file, mode="r|*") as members:
                for member in members:
                    inside = _inside(member)
                    if inside is not None:
                        members.extract(inside, folder, filter="data")
                    bar.update(file.tell() - bar.n)
        except (tarfile.TarError, EOFError, ValueError) as error:
            raise UserError(
                f"{archive}: cannot be unpacked ({error}); fetch it anew"
            ) from error


def _inside(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """The member without the outermost folder; None for that folder."""
    parts = PurePosixPath(member.name).parts[1:]
    if not parts:
        return None
    return member.replace(name="/".join(parts), deep=False)

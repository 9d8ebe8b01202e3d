"""What a package says of itself: the wheel's own metadata, and the pinned versions beside it."""

import hashlib
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

from packaging.metadata import Metadata
from packaging.pylock import Pylock

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Project:
    """The metadata that packages are generated from."""

    metadata: Metadata
    sdist: Path
    sdist_sha256: str

    @property
    def name(self):
        """What it is called everywhere."""
        return self.metadata.name

    @property
    def version(self):
        """As text, without a leading v."""
        return str(self.metadata.version)

    @property
    def url(self):
        """The home page, where releases are as well."""
        return self.metadata.project_urls["Homepage"]

    @property
    def author(self):
        """`NAME <ADDRESS>`."""
        return self.metadata.author_email

    @property
    def requirements(self):
        """What llmgen itself needs, without its extras."""
        found = self.metadata.requires_dist or []
        return [item for item in found if item.marker is None or "extra" not in str(item.marker)]

    def released(self, file):
        """Where a release has a file."""
        return f"{self.url}/releases/download/v{self.version}/{file}"


def read(wheel, sdist):
    """The metadata of a wheel and of the sdist that it was made from."""
    with zipfile.ZipFile(wheel) as packed:
        (name,) = (item for item in packed.namelist() if item.endswith(".dist-info/METADATA"))
        metadata = Metadata.from_email(packed.read(name))
    return Project(metadata, sdist, hashlib.sha256(sdist.read_bytes()).hexdigest())


def pins():
    """pylock.toml: the versions, files and digests that releases are made of."""
    return Pylock.from_dict(tomllib.loads(ROOT.joinpath("pylock.toml").read_text("utf-8")))

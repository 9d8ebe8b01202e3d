"""One build of this checkout for the folder's tests, as `make release` makes it."""

import pytest
import readers
from released import PARTS, release


@pytest.fixture(scope="session")
def released(tmp_path_factory):
    """The packages that need no network."""
    output = tmp_path_factory.mktemp("release")
    parts = [part for part in PARTS if part != "debian" or readers.find("dpkg-buildpackage")]
    release(output, parts)
    return output


@pytest.fixture(scope="session")
def wheel(released):
    """llmgen's wheel."""
    (found,) = released.glob("*.whl")
    return found


@pytest.fixture(scope="session")
def zipapp(tmp_path_factory):
    """The folder with the zipapp and its bill of materials, of wheels that are here."""
    wheels = readers.find("requirements.txt").parent
    output = tmp_path_factory.mktemp("zipapp")
    release(output, ["pyz"], PIP_NO_INDEX="1", PIP_FIND_LINKS=str(wheels))
    return output

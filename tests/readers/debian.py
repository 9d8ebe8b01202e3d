"""Programs out of a later Debian release, unpacked beside the machine's own packages.

They get the C library of that release in front of the machine's: nothing is installed, no package
list of the machine is touched, and neither root nor another Debian release is needed.
"""

import os
import subprocess
import tempfile
from pathlib import Path

KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
# Names lists and folders of its own, so that the machine's know nothing of the other release.
SETTINGS = """\
Dir::Etc::sourcelist "{place}/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::trusted "{keys}";
Dir::State::lists "{place}/lists";
Dir::State::status "{place}/status";
Dir::Cache "{place}/cache";
APT::Sandbox::User "";
"""


def debs(folder, wanted, patchelf):
    """The packages of ``wanted`` (release, packages, programs) below ``folder``.

    ``patchelf`` is that program: it writes the unpacked C library into the programs, which links
    in ``folder``/bin lead to.
    """
    with tempfile.TemporaryDirectory() as place:
        download(Path(place), wanted["release"], wanted["packages"])
        for package in sorted(Path(place).glob("*.deb")):
            subprocess.run(["dpkg-deb", "--extract", package, folder], check=True)
    libraries = next(folder.glob("usr/lib/*-linux-gnu"))
    loader = next(folder.glob("usr/lib*/**/ld-linux*.so.*"))
    (folder / "bin").mkdir()
    for name in wanted["programs"]:
        program = folder / name
        # A static program has none.
        asked = [patchelf, "--print-interpreter", program]
        if subprocess.run(asked, capture_output=True, check=False).returncode == 0:
            # systemd has a folder of its own for what its programs share.
            paths = f"{libraries}:{libraries / 'systemd'}"
            words = ["--set-interpreter", loader, "--force-rpath", "--set-rpath", paths]
            subprocess.run([patchelf, *words, program], check=True)
            whole(program, loader)
        (folder / "bin" / program.name).symlink_to(program)


def download(place, release, packages):
    """The .deb files of a release, from where the machine has its own, checked by apt."""
    lists = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
         "Component: main", "Origin: Debian"],
        check=True, capture_output=True, text=True,
    ).stdout.split()  # fmt: skip
    if not lists:
        raise OSError("apt has no list of Debian's packages")
    (place / "sources.list").write_text(f"deb [signed-by={KEYS}] {lists[0]} {release} main\n")
    (place / "apt.conf").write_text(SETTINGS.format(place=place, keys=KEYS))
    (place / "status").touch()
    for name in ("lists/partial", "cache/archives/partial"):
        (place / name).mkdir(parents=True)
    environment = {**os.environ, "APT_CONFIG": str(place / "apt.conf")}
    for words in (["update", "-qq"], ["download", "-qq", *packages]):
        subprocess.run(["apt-get", *words], check=True, cwd=place, env=environment)


def whole(program, loader):
    """OSError when a library that the program needs was not among the packages."""
    done = subprocess.run([loader, "--list", program], capture_output=True, text=True, check=False)
    missing = [line.strip() for line in done.stdout.splitlines() if "not found" in line]
    if done.returncode or missing:
        raise OSError(f"{program.name}: {missing or done.stderr}")

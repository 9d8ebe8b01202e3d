"""A formula for Homebrew: llmgen's sdist, and every package that it needs as a pinned resource."""

from filling import fill
from project import pins

# What compiles when pip builds a resource from source, and what its build asks of Homebrew.
COMPILED_BY_RUST = {"hf-xet", "pydantic-core", "rpds-py"}
# Those that macOS and Linux need; markers of other systems leave a package out.
SYSTEMS = (
    {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
)
PYTHON = "3.13"


def formula(project):
    """`llmgen.rb`, for a tap."""
    resources = [resource(package) for package in packages()]
    return fill(
        "homebrew/llmgen.rb.j2",
        project=project,
        sdist=project.released(project.sdist.name),
        python=PYTHON,
        rust=sorted(COMPILED_BY_RUST & {name for name, _, _ in resources}),
        resources=resources,
    )


def packages():
    """The pinned packages that any of Homebrew's systems needs."""
    about = {"python_version": PYTHON, "python_full_version": f"{PYTHON}.0"}
    return [
        package
        for package in pins().packages
        if package.marker is None
        or any(package.marker.evaluate({**system, **about}) for system in SYSTEMS)
    ]


def resource(package):
    """Name, address and digest; the source, or the wheel for any system where there is no other."""
    if package.sdist is not None:
        return package.name, package.sdist.url, package.sdist.hashes["sha256"]
    (wheel,) = (item for item in package.wheels if item.url.endswith("-none-any.whl"))
    return package.name, wheel.url, wheel.hashes["sha256"]

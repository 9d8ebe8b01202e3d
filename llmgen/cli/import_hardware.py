"""[hardware] for ``llmgen import``: this machine's, a profile's, or what the files speak of."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
from msgspec.structs import replace

from llmgen.errors import Diagnostic

if TYPE_CHECKING:
    from llmgen.importing.hosts.fleet import HardwareFinder
    from llmgen.importing.machine import DeviceNeeds


def one_profile(profiles: Sequence[str]) -> str | None:
    """The profile of the one machine; a usage error for several."""
    if len(profiles) > 1:
        raise click.UsageError("one machine has one `--profile`")
    return profiles[0] if profiles else None


def hardware_of_hosts(profiles: Sequence[str]) -> HardwareFinder:
    """[hosts.NAME.hardware] by the profiles that are named: HOST=NAME, or NAME for all."""
    told = of_each(profiles)
    usual = one_profile([item for item in profiles if "=" not in item])
    for name in (*told.values(), *([usual] if usual else [])):
        _known(name)
    return lambda host, needs: _of_host(host, needs, told.get(host, usual))


def of_each(profiles: Sequence[str]) -> dict[str, str]:
    """The profiles of hosts by their names."""
    pairs = (item.partition("=") for item in profiles if "=" in item)
    return {host: name for host, _, name in pairs}


def _of_host(
    host: str, needs: DeviceNeeds, profile: str | None
) -> tuple[Mapping[str, Any], tuple[Diagnostic, ...]]:
    """What a profile or this machine says of a host; else one to fill in."""
    from llmgen.config.edit import value_text
    from llmgen.importing.elsewhere import enough, hardware_of
    from llmgen.importing.parts import fault

    if not profile and platform.node().partition(".")[0].lower() == host:
        return hardware_of_import(None, needs)
    guess = hardware_of(needs, 0)[0]
    told: tuple[Diagnostic, ...] = ()
    if profile:
        missing = {key: guess[key] for key in sorted(_missing(profile))}
        guess, told = enough({"profile": profile, **missing}, needs)
        if not missing:
            return guess, told
    what = ", ".join(f"{key} = {value_text(value)}" for key, value in guess.items())
    said = fault(
        "host-hardware",
        f"no file says what machine `{host}` is: `{what}` stands in",
        f"`--profile {host}=NAME`, or write its own [hosts.{host}.hardware]",
    )
    return guess, (*told, said)


def hardware_of_import(
    profile: str | None, needs: DeviceNeeds
) -> tuple[dict[str, Any], tuple[Diagnostic, ...]]:
    """[hardware]: this machine, the profile's, or one with the devices that the files name."""
    from llmgen.importing.elsewhere import enough, hardware_of

    if profile:
        completed, lacking = _completed(profile)
        least = replace(needs, count=max(needs.count, 1)) if lacking else needs
        return enough(completed, least)
    from llmgen.detect.document import hardware
    from llmgen.detect.machine import profile_of
    from llmgen.detect.probe import look

    found = look()
    chosen = profile_of(found)
    here = len(found.devices) or (1 if found.backend == "metal" or found.unified else 0)
    if needs.count > here or (needs.backend and needs.backend != found.backend):
        return hardware_of(needs, here)
    if chosen:
        return {"profile": chosen, "memory": f"{found.memory_bytes // 2**20}MiB"}, ()
    return hardware(found), ()


def _completed(profile: str) -> tuple[dict[str, Any], bool]:
    """A profile with what it leaves to each machine: this one's; whether it still has no device."""
    from llmgen.detect.document import hardware
    from llmgen.detect.probe import look

    missing = _missing(profile)
    here = hardware(look()) if missing else {}
    found = {key: here[key] for key in sorted(missing) if here[key]}
    return {"profile": profile, **found}, "devices" in missing - found.keys()


def _missing(profile: str) -> set[str]:
    """What a profile leaves to each machine."""
    table = _known(profile)
    asked = {"memory", *(["devices"] if table.get("backend") != "cpu" else [])}
    return asked - table.keys()


def _known(profile: str) -> Mapping[str, Any]:
    from llmgen.profiles import profiles

    known = profiles()
    if profile not in known:
        raise click.UsageError(f"`{profile}` is no profile; there are {', '.join(sorted(known))}")
    return known[profile]

"""The files of a machine that llmgen knows how to set: where each stands and who reads it when."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Final, TypeAlias

from msgspec import Struct

SystemCommand: TypeAlias = tuple[str, ...]


class SystemFile(Struct, frozen=True):
    """One file: its place, and the commands that make it count.

    A relative ``place`` is only for reading. ``apply`` runs once it is written, ``release`` before
    it is removed or replaced, ``restore`` once it is gone. ``effect`` says for people when it
    counts, where that is not at once; ``stays`` what is left of it when it is gone.
    ``own_folder``: nobody else has files beside it, so that its folder goes with it.
    """

    name: str
    place: PurePosixPath
    apply: tuple[SystemCommand, ...] = ()
    release: tuple[SystemCommand, ...] = ()
    restore: tuple[SystemCommand, ...] = ()
    effect: str = ""
    stays: str = ""
    own_folder: bool = False


_INITRAMFS: Final = (
    "once the initial ramdisk is made anew (`update-initramfs -u`, `dracut -f` or `mkinitcpio -P`) "
    "and the machine is rebooted"
)
_RELOAD: Final = ("systemctl", "daemon-reload")
_UDEV: Final = (
    ("udevadm", "control", "--reload"),
    ("udevadm", "trigger", "--subsystem-match=kfd", "--subsystem-match=drm"),
)

KERNEL_LINE: Final = SystemFile("kernel-command-line", PurePosixPath("kernel-command-line.txt"))
MODPROBE: Final = SystemFile(
    "modprobe",
    PurePosixPath("/etc/modprobe.d/llmgen.conf"),
    effect=_INITRAMFS,
    stays="the limit that the kernel has now, until the initial ramdisk is made anew and the "
    "machine is rebooted",
)
ACCOUNTS: Final = SystemFile(
    "accounts",
    PurePosixPath("/etc/sysusers.d/llmgen.conf"),
    apply=(("systemd-sysusers", "/etc/sysusers.d/llmgen.conf"),),
    stays="the users and groups that it made: files may still be theirs",
)
UDEV: Final = SystemFile(
    "udev", PurePosixPath("/etc/udev/rules.d/70-llmgen.rules"), apply=_UDEV, restore=_UDEV
)
SYSCTL: Final = SystemFile(
    "sysctl",
    PurePosixPath("/etc/sysctl.d/80-llmgen.conf"),
    apply=(("sysctl", "--load", "/etc/sysctl.d/80-llmgen.conf"),),
    stays="its values, until the next boot",
)
HUGE_PAGES: Final = SystemFile(
    "huge-pages",
    PurePosixPath("/etc/tmpfiles.d/llmgen-huge-pages.conf"),
    apply=(("systemd-tmpfiles", "--create", "/etc/tmpfiles.d/llmgen-huge-pages.conf"),),
    stays="its setting, until the next boot",
)
LIMITS: Final = SystemFile(
    "limits",
    PurePosixPath("/etc/security/limits.d/90-llmgen.conf"),
    effect="for whoever logs in again",
)
MANAGER: Final = SystemFile(
    "user-manager",
    PurePosixPath("/etc/systemd/system/user@.service.d/50-llmgen.conf"),
    apply=(_RELOAD,),
    restore=(_RELOAD,),
    effect="when the user's service manager starts again: `systemctl restart user@UID.service` "
    "ends that user's sessions, a reboot does the same",
    own_folder=True,
)
WIRED: Final = SystemFile(
    "wired-limit",
    PurePosixPath("/Library/LaunchDaemons/host.llmgen.wired-limit.plist"),
    apply=(
        (
            "launchctl",
            "bootstrap",
            "system",
            "/Library/LaunchDaemons/host.llmgen.wired-limit.plist",
        ),
    ),
    release=(("launchctl", "bootout", "system/host.llmgen.wired-limit"),),
    # 0 is the system's own limit.
    restore=(("sysctl", "iogpu.wired_limit_mb=0"),),
)
_NFT: Final = (
    _RELOAD,
    ("systemctl", "enable", "nft-llmgen.service"),
    ("systemctl", "restart", "nft-llmgen.service"),
)
NFT_RULES: Final = SystemFile(
    "firewall", PurePosixPath("/etc/llmgen/firewall.nft"), apply=_NFT, own_folder=True
)
# Without llmgen's prefix: what begins so are the stack's own services, for `up` and `down`.
NFT_UNIT: Final = SystemFile(
    "firewall-unit",
    PurePosixPath("/etc/systemd/system/nft-llmgen.service"),
    apply=_NFT,
    release=(("systemctl", "disable", "--now", "nft-llmgen.service"),),
    restore=(_RELOAD,),
)
PF_RULES: Final = SystemFile(
    "firewall",
    PurePosixPath("/etc/pf.anchors/llmgen"),
    apply=(("pfctl", "-E", "-a", "com.apple/llmgen", "-f", "/etc/pf.anchors/llmgen"),),
)
PF_DAEMON: Final = SystemFile(
    "firewall-daemon",
    PurePosixPath("/Library/LaunchDaemons/host.llmgen.pf.plist"),
    apply=(("launchctl", "bootstrap", "system", "/Library/LaunchDaemons/host.llmgen.pf.plist"),),
    release=(("launchctl", "bootout", "system/host.llmgen.pf"),),
    restore=(("pfctl", "-a", "com.apple/llmgen", "-F", "rules"),),
)

# In the order in which they count: groups before the rules that name them, rules before units.
SYSTEM_FILES: Final = (
    KERNEL_LINE,
    MODPROBE,
    ACCOUNTS,
    UDEV,
    SYSCTL,
    HUGE_PAGES,
    LIMITS,
    MANAGER,
    WIRED,
    NFT_RULES,
    NFT_UNIT,
    PF_RULES,
    PF_DAEMON,
)

"""The rules of `llmgen firewall`, and what loads them at every boot."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.artifacts import Render
from llmgen.plan.plan import Plan
from llmgen.render.header import OWNER, comment
from llmgen.targets.host import system_files
from llmgen.targets.host.macos import daemon
from llmgen.targets.host.system_files import SystemFile


def firewall(plan: Plan, render: Render) -> Iterator[tuple[SystemFile, bytes]]:
    """Nftables with a unit on Linux, pf with a daemon on macOS.

    ufw and firewalld keep their rules themselves.
    """
    # The firewall asks targets what containers publish, so it cannot be imported before them.
    from llmgen.firewall.pf import ANCHOR, pf
    from llmgen.firewall.ports import ports
    from llmgen.firewall.rules import TABLE, nft

    if not plan.library.config.targets.host.firewall:
        return
    found = ports(plan)
    if plan.library.machine.os == "linux":
        rules = system_files.NFT_RULES.place
        values = {"table": TABLE, "rules": nft(found), "place": rules}
        yield system_files.NFT_RULES, render("host/firewall.nft.j2", **values)
        yield system_files.NFT_UNIT, render("host/nft-llmgen.service.j2", **values)
        return
    yield system_files.PF_RULES, f"{comment(OWNER)}\n{pf(found)}".encode()
    words = ("/sbin/pfctl", "-E", "-a", ANCHOR, "-f", str(system_files.PF_RULES.place))
    why = f"macOS's own /etc/pf.conf looks into every anchor below com.apple: {ANCHOR} is one"
    yield system_files.PF_DAEMON, daemon(system_files.PF_DAEMON.place, words, why)

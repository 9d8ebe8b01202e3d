"""The rules of `llmgen firewall`, and what loads them at every boot."""

from __future__ import annotations

from collections.abc import Iterator

from llmgen.plan.plan import Plan
from llmgen.render.header import OWNER, comment
from llmgen.targets.base import Render
from llmgen.targets.host import host_file
from llmgen.targets.host.host_file import Kind
from llmgen.targets.host.macos import daemon


def firewall(plan: Plan, render: Render) -> Iterator[tuple[Kind, bytes]]:
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
        rules = host_file.NFT_RULES.place
        values = {"table": TABLE, "rules": nft(found), "place": rules}
        yield host_file.NFT_RULES, render("host/firewall.nft.j2", **values)
        yield host_file.NFT_UNIT, render("host/nft-llmgen.service.j2", **values)
        return
    yield host_file.PF_RULES, f"{comment(OWNER)}\n{pf(found)}".encode()
    words = ("/sbin/pfctl", "-E", "-a", ANCHOR, "-f", str(host_file.PF_RULES.place))
    why = f"macOS's own /etc/pf.conf looks into every anchor below com.apple: {ANCHOR} is one"
    yield host_file.PF_DAEMON, daemon(host_file.PF_DAEMON.place, words, why)

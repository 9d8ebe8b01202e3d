"""Rules as text for pf: an anchor that lets in what is open and refuses what is inside."""

from __future__ import annotations

from typing import Final

from llmgen.firewall.ports import Opening, Ports

# macOS' own /etc/pf.conf looks into every anchor below com.apple.
ANCHOR: Final = "com.apple/llmgen"


def pf(found: Ports) -> str:
    """The anchor's rules; the first lines say how they are loaded and taken out."""
    lines = [
        f"# sudo pfctl -E -a {ANCHOR} -f FILE    puts these rules in place until the next boot",
        f"# sudo pfctl -a {ANCHOR} -F rules      takes them out",
        "pass in quick on lo0 all",
        *(_pass(item) for item in found.open),
    ]
    if found.closed:
        numbers = ", ".join(str(port) for port in found.closed)
        lines.append(f"block return in quick proto tcp from any to any port {{ {numbers} }}")
    return "\n".join(lines) + "\n"


def _pass(item: Opening) -> str:
    family = {"": "", "4": "inet ", "6": "inet6 "}[item.family]
    source, to = item.source or "any", item.address or "any"
    return f"pass in quick {family}proto tcp from {source} to {to} port {item.port}"

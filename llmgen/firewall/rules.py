"""Rules as text: a table of nftables with what other chains need, or words for ufw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from msgspec import Struct

from llmgen.firewall.ports import Opening, Ports

TABLE: Final = "llmgen"
MARK: Final = "llmgen"


class Chain(Struct, frozen=True):
    """Another chain that filters input; its own verdict comes after that of our table."""

    family: str
    table: str
    name: str


def nft(found: Ports, others: Iterable[Chain] = ()) -> str:
    """The table, and a rule at the head of every other input chain, which may drop the rest."""
    lines = [
        f"table inet {TABLE} {{",
        "\tchain input {",
        "\t\ttype filter hook input priority filter - 5; policy accept;",
        '\t\tiifname "lo" accept',
        *(f'\t\t{_match(item)} accept comment "{MARK} {item.service}"' for item in found.open),
    ]
    if found.closed:
        numbers = ", ".join(str(port) for port in found.closed)
        lines.append(f"\t\ttcp dport {{ {numbers} }} reject with tcp reset")
    lines += ["\t}", "}"]
    lines += [
        f"insert rule {chain.family} {chain.table} {chain.name} {_match(item)} accept "
        f'comment "{MARK} {item.service}"'
        for chain in others
        for item in found.open
        if _speaks(chain, item)
    ]
    return "\n".join(lines) + "\n"


def nft_undo(ruleset: Mapping[str, Any]) -> str:
    """What takes our rules out of a ruleset (as ``nft -a -j list ruleset`` shows it)."""
    return "".join(f"{line}\n" for line in _undo(ruleset))


def others(ruleset: Mapping[str, Any]) -> tuple[Chain, ...]:
    """Every other base chain that filters input."""
    chains = (item["chain"] for item in ruleset["nftables"] if "chain" in item)
    return tuple(
        Chain(item["family"], item["table"], item["name"])
        for item in chains
        if item.get("hook") == "input"
        and item.get("type") == "filter"
        and item["family"] in ("inet", "ip", "ip6")
        and item["table"] != TABLE
    )


def applied(ruleset: Mapping[str, Any]) -> bool:
    """Whether our table is there."""
    return any(_ours(item) for item in ruleset["nftables"])


def ufw(found: Ports) -> tuple[tuple[str, ...], ...]:
    """Commands for ufw, which refuses what it is not told to allow."""
    return tuple(("ufw", *_words(item)) for item in found.open)


def ufw_undo(found: Ports) -> tuple[tuple[str, ...], ...]:
    """Commands that take them back."""
    return tuple(("ufw", "delete", *_words(item)) for item in found.open)


def _words(item: Opening) -> tuple[str, ...]:
    source, to = item.source or "any", item.address or "any"
    comment = ("comment", f"{MARK} {item.service}")
    return ("allow", "proto", "tcp", "from", source, "to", to, "port", str(item.port), *comment)


def _match(item: Opening) -> str:
    port = f"tcp dport {item.port}"
    family = _family(item)
    source = f"{family} saddr {item.source} " if item.source else ""
    address = f"{family} daddr {item.address} " if item.address else ""
    return f"{source}{address}{port}"


def _family(item: Opening) -> str:
    return "ip6" if item.family == "6" else "ip"


def _speaks(chain: Chain, item: Opening) -> bool:
    return chain.family == "inet" or not item.family or chain.family == _family(item)


def _ours(item: Mapping[str, Any]) -> bool:
    table = item.get("table", {})
    return bool(table.get("name") == TABLE and table.get("family") == "inet")


def _undo(ruleset: Mapping[str, Any]) -> Iterator[str]:
    for item in ruleset["nftables"]:
        rule = item.get("rule", {})
        if _ours(item):
            yield f"delete table inet {TABLE}"
        elif rule.get("table") != TABLE and str(rule.get("comment", "")).startswith(f"{MARK} "):
            place = f"{rule['family']} {rule['table']} {rule['chain']}"
            yield f"delete rule {place} handle {rule['handle']}"

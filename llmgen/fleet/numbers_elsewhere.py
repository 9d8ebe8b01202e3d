"""What hosts are told of each other's models once all are planned: contexts and slots."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field
from msgspec.structs import replace

from llmgen.config.tables.gateway import External
from llmgen.fleet.fleet import Member
from llmgen.fleet.project import Document
from llmgen.plan.plan import Plan


class NumbersElsewhere(Struct, frozen=True):
    """The numbers of each model; hosts that were told of one alike share its table with them."""

    of: Mapping[str, Mapping[str, int]]
    documents: dict[int, tuple[Document, Document]] = field(default_factory=dict)
    tables: dict[int, External] = field(default_factory=dict)
    # The same under other names ([naming]), which are each host's own.
    named: dict[int, tuple[External, External]] = field(default_factory=dict)

    def known_by(self, member: Member) -> Member:
        """The same host, which now knows slots and contexts of the models elsewhere."""
        told = member.document.get("external", {})
        elsewhere = [n for n in told if n in self.of and n not in member.config.models]
        if not elsewhere:
            return member
        library, prefix = member.plan.library, member.plan.library.prefix
        own, within = dict(member.config.external), dict(library.external)
        for name in elsewhere:
            table, named = own[name], within[prefix + name]
            own[name] = self._typed(told[name], table, name)
            within[prefix + name] = (
                own[name] if named is table else self._named(told[name], named, name)
            )
        config = library.config.model_copy(update={"external": within})
        document = {**told, **{name: self._document(told[name], name) for name in elsewhere}}
        return replace(
            member,
            document={**member.document, "external": document},
            config=member.config.model_copy(update={"external": own}),
            plan=replace(member.plan, library=replace(library, config=config, external=within)),
        )

    def _document(self, table: Document, name: str) -> Document:
        # The table itself is kept beside what is made of it: so no other one gets its id.
        if id(table) not in self.documents:
            self.documents[id(table)] = table, {**table, **self.of[name]}
        return self.documents[id(table)][1]

    def _typed(self, told: Document, table: External, name: str) -> External:
        if id(told) not in self.tables:
            self.tables[id(told)] = table.model_copy(update=self.of[name])
        return self.tables[id(told)]

    def _named(self, told: Document, table: External, name: str) -> External:
        known = self.named.get(id(told))
        if known is None or known[0] != table:
            known = self.named[id(told)] = table, table.model_copy(update=self.of[name])
        return known[1]


def numbers(plan: Plan, name: str) -> Mapping[str, int]:
    """What the others are told of a model of this host."""
    placed = plan.placement(name)
    told = {"slots": placed.settings.parallel, "ctx_size": placed.estimate.n_ctx_seq or 0}
    return {key: value for key, value in told.items() if value > 0}

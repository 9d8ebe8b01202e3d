"""How long a search goes on."""

from __future__ import annotations

from msgspec import Struct


class SearchedEnough(Exception):
    """More steps than are taken."""


class SearchAllowance(Struct):
    """How many steps a search still takes: a count and no clock, so that it ends alike anywhere."""

    left: int

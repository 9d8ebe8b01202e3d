"""Kubernetes' quantities."""

from fractions import Fraction

import pytest

from llmgen.targets.kubernetes.quantities import number


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("64", 64),
        ("1500m", Fraction(3, 2)),
        ("119Gi", 119 << 30),
        ("2e3", 2000),
        ("1G", 10**9),
        ("1.5Ki", 1536),
        ("", 0),
        ("many", 0),
        ("1Zi", 0),
        ("9" * 400, 0),
        ("1e999", 0),
    ],
)
def test_number(text, value):
    assert number(text) == value

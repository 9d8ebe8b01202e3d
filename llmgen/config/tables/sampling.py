"""[models.NAME.sampling]: llama-server's samplers under their own long names."""

from typing import Annotated

from pydantic import Field

from llmgen.config.tables.base import (
    FLOAT32,
    SINGLE,
    Count,
    NonNegative,
    Positive,
    Probability,
    Table,
    Text,
)

Penalty = Annotated[float, Field(ge=-2, le=2), SINGLE]


class Sampling(Table):
    """Sampling defaults of a model; a request may still set its own."""

    samplers: tuple[Text, ...] | None = None
    """Order of the samplers (`--samplers`)."""
    seed: int | None = Field(default=None, ge=-1, le=2**32 - 1)
    """Seed; -1 is random (`--seed`)."""
    temp: NonNegative | None = None
    """Temperature (`--temp`)."""
    top_k: Count | None = Field(default=None, ge=0)
    """Keep the K likeliest tokens; 0 is off (`--top-k`)."""
    top_p: Probability | None = None
    """Nucleus sampling (`--top-p`)."""
    min_p: Probability | None = None
    """Least probability, relative to the best token (`--min-p`)."""
    top_n_sigma: Annotated[float, Field(ge=-1, le=FLOAT32), SINGLE] | None = None
    """Top-n-sigma; -1 is off (`--top-nsigma`)."""
    typical_p: Probability | None = None
    """Locally typical sampling (`--typical`)."""
    xtc_probability: Probability | None = None
    """XTC (`--xtc-probability`)."""
    xtc_threshold: Probability | None = None
    """XTC (`--xtc-threshold`)."""
    repeat_last_n: Count | None = Field(default=None, ge=0)
    """Tokens that the repeat penalty sees; 0 is off (`--repeat-last-n`)."""
    repeat_penalty: Positive | None = None
    """Repeat penalty; 1 is off (`--repeat-penalty`)."""
    presence_penalty: Penalty | None = None
    """Presence penalty (`--presence-penalty`)."""
    frequency_penalty: Penalty | None = None
    """Frequency penalty (`--frequency-penalty`)."""
    dry_multiplier: NonNegative | None = None
    """DRY; 0 is off (`--dry-multiplier`)."""
    dry_base: NonNegative | None = None
    """DRY (`--dry-base`)."""
    dry_allowed_length: Count | None = Field(default=None, ge=0)
    """DRY (`--dry-allowed-length`)."""
    mirostat: Count | None = Field(default=None, ge=0, le=2)
    """Mirostat version; 0 is off (`--mirostat`)."""
    mirostat_lr: NonNegative | None = None
    """Mirostat's eta (`--mirostat-lr`)."""
    mirostat_ent: NonNegative | None = None
    """Mirostat's tau (`--mirostat-ent`)."""

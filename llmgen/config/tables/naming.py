"""[naming]: what all names have in common."""

from typing import Annotated, Literal

from pydantic import Field

from llmgen.config.tables.base import PREFIX, Table

Pack = Literal["openai", "anthropic"]


class Naming(Table):
    """[naming]: names of every model."""

    prefix: Annotated[str, Field(pattern=PREFIX)] = ""
    """Stands before every model's and variant's own name (`"ls/"`); aliases stay as written."""
    file_aliases: tuple[Literal["stem", "file"], ...] = ()
    """Each model also answers to its file's name, without (`stem`) or with `.gguf` (`file`)."""
    alias_packs: tuple[Pack, ...] = ()
    """Names that clients of these vendors ask for; the default model of their role answers."""

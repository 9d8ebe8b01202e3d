"""[llama_cpp.recipe]: how llama.cpp is compiled, for images and for hosts alike."""

from pydantic import Field

from llmgen.config.tables.base import CmakeName, Count, Digest, ImageName, Line, Table, Text, Word


class BuildRecipe(Table):
    """[llama_cpp.recipe]: what `llmgen build` and the generated Containerfile compile."""

    source: Text | None = None
    """A folder or an archive (tar) of llama.cpp on this machine, or the URL of one; absent: the
    archive of the build's tag at GitHub."""
    digest: Digest | None = None
    """SHA-256 of that archive; absent: it is taken as it comes, and `build` says what it was."""
    architectures: tuple[Word, ...] = ()
    """GPUs that it is compiled for (`121`, `gfx1151`); absent: `architecture` of [hardware], else
    all that llama.cpp knows."""
    options: dict[CmakeName, Line] = Field(default_factory=dict)
    """More options of CMake (`{ GGML_CUDA_FA_ALL_QUANTS = "ON" }`), over llmgen's own."""
    jobs: Count | None = Field(default=None, ge=1)
    """Compilers at a time; absent: one for each core that has 2 GiB of free memory, 4 GiB for GPUs.
    """
    build_image: ImageName | None = None
    """Image in which it is compiled; absent: the vendor's, with its toolkit."""
    runtime_image: ImageName | None = None
    """Image that the programs are put into; absent: the vendor's, without the toolkit."""

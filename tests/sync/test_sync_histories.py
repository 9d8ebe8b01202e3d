"""Files come, go and change, and a person edits: the end is that of a fresh sync, nothing is lost."""

import json
import random
import re
import shutil
import tomllib

import pytest
from click.testing import CliRunner
from synced_machine import START

from llmgen.cli.boundary import root

HISTORIES, PARTS = 100, 20
NAMES = ("Alpha-Q4_K_M", "alpha-q8_0", "Beta", "beta", "gamma-00001-of-00001", "Delta.v2", "éps")
# A table of sync with its mark, as a reader of the file would describe it.
OWN = re.compile(r"\n# llmgen sync [^\n]*\n\[models\.[^\n]*\n(?:[a-z_]+ = [^\n]*\n)+")


class History:
    """One machine, one source of chance, and everything that a person typed."""

    def __init__(self, machine, seed):
        self.machine, self.chance = machine, random.Random(seed)
        self.typed, self.halves, self.count = [], {}, 0

    def step(self):
        acts = (self.add, self.add, self.pull, self.half, self.replace, self.remove, self.complete,
                self.comment, self.model, self.take_over, self.rules)  # fmt: skip
        self.chance.choice(acts)()

    def files(self):
        m = self.machine
        found = [*m.models.rglob("*.gguf"), *m.disk.rglob("*.gguf"), *m.lm_studio.rglob("*.gguf")]
        manifests = [path for path in m.ollama.joinpath("manifests").rglob("*") if path.is_file()]
        theirs = self.theirs()
        every = (*found, *manifests)
        return sorted(path for path in every if named(self.machine, path) not in theirs)

    def theirs(self):
        """The sources in a person's tables, whose files a person keeps as they are."""
        tables = tomllib.loads(OWN.sub("", self.machine.text)).get("models", {})
        return {value for table in tables.values() for value in table.values()}

    def place(self):
        m, pick = self.machine, self.chance.choice
        folder = pick((m.models, m.models / "sub", m.disk, m.lm_studio / "org" / pick("ab")))
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{pick(NAMES)}.gguf"
        return path if named(m, path) not in self.theirs() else self.place()

    def kind(self):
        kinds = ("chat", "chat", "chat", "embedding", "rerank", "projector", "adapter", "huge")
        return self.chance.choice(kinds)

    def shape(self):
        return {"context": 1024 * self.chance.randint(1, 8)}

    def add(self):
        path = self.place()
        self.halves.pop(path, None)
        self.machine.write(path, self.kind(), **self.shape())

    def half(self):
        path = self.place()
        self.halves[path] = self.machine.half(path, **self.shape())

    def pull(self):
        name = f"{self.chance.choice(('qwen3', 'beta'))}:{self.chance.choice(('8b', '1b'))}"
        if name in self.theirs():
            return
        self.machine.pull(name, self.chance.choice(("chat", "embedding")), **self.shape())

    def replace(self):
        gguf = [path for path in self.files() if path.suffix == ".gguf"]
        if gguf:
            path = self.chance.choice(gguf)
            self.halves.pop(path, None)
            self.machine.write(path, self.kind(), **self.shape())

    def remove(self):
        if found := self.files():
            path = self.chance.choice(found)
            self.halves.pop(path, None)
            path.unlink()

    def complete(self):
        for path, whole in self.halves.items():
            path.write_bytes(whole)
        self.halves.clear()

    def word(self):
        self.count += 1
        return f"word {self.count} of a person"

    def comment(self):
        """A line above a header, at the end, or at the top."""
        lines = self.machine.text.splitlines(keepends=True)
        places = [at for at, line in enumerate(lines) if line.startswith(("[", "# llmgen sync"))]
        at = self.chance.choice((0, len(lines), *places))
        if at and lines[at - 1].startswith("# llmgen sync"):
            return
        word = self.word()
        lines.insert(at, f"# {word}\n")
        self.typed.append(word)
        self.machine.toml.write_text("".join(lines))

    def model(self):
        """A model of a person's, with a file that sync would take in."""
        word, path = self.word(), self.machine.models / f"own{self.count}.gguf"
        self.machine.write(path)
        self.typed.append(word)
        text = f'\n[models.mine{self.count}]\nmodel = "{path.name}"   # {word}\n'
        self.machine.toml.write_text(self.machine.text + text)

    def take_over(self):
        """A key more, in a table that sync wrote."""
        tables = [*OWN.finditer(self.machine.text)]
        if tables:
            chosen, word = self.chance.choice(tables), self.word()
            text = self.machine.text
            key = f'description = "{word}"\n'
            self.machine.toml.write_text(text[: chosen.end()] + key + text[chosen.end() :])
            self.typed.append(word)

    def rules(self):
        old = re.search(r'\[sync.options."\*"\].*\nctx_size = "(\dK)"', self.machine.text)
        fresh = old[0].replace(old[1], self.chance.choice(("1K", "2K")))
        self.machine.edit(old[0], fresh)


def sync(machine):
    """A sync that may leave models out; what it says of each."""
    result = CliRunner().invoke(root, ["-c", str(machine.toml), "sync"], prog_name="llmgen")
    assert result.exit_code in (0, 5), result.stderr
    return result


def everything(machine):
    files = [path for path in machine.folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(machine.folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("part", range(PARTS))
def test_end_is_that_of_a_fresh_sync_and_nothing_typed_is_lost(part, machine):
    for seed in range(part, HISTORIES, PARTS):
        clear(machine)
        history = History(machine, seed)
        for _ in range(history.chance.randint(4, 9)):
            history.step()
            if history.chance.random() < 0.4:
                before = of_halves(history)
                sync(machine)
                assert of_halves(history) == before, seed
        history.complete()
        sync(machine)
        end, text = everything(machine), machine.text
        sync(machine)
        assert everything(machine) == end, seed
        for word in history.typed:
            assert text.count(word) == 1, (seed, word)
        fresh(machine, OWN.sub("", text))
        assert everything(machine) == end, seed


def of_halves(history):
    """What llm.toml and llm.lock say of the files that are half-written: what they were before."""
    machine = history.machine
    lock = machine.folder / "llm.lock"
    known = json.loads(lock.read_text())["models"] if lock.exists() else {}
    tables = tomllib.loads(machine.text).get("models", {})
    names = {named(machine, path) for path in history.halves}
    kinds = ("file", "lmstudio")
    return (
        [table for table in tables.values() if names & {*table.values()}],
        [known.get(f"{kind}:{name}") for name in sorted(names) for kind in kinds],
    )


def named(machine, path):
    """How llm.toml names a file."""
    manifests = machine.ollama / "manifests/registry.ollama.ai/library"
    if path.is_relative_to(manifests):
        return ":".join(path.relative_to(manifests).parts)
    for folder in (machine.lm_studio, machine.models):
        if path.is_relative_to(folder):
            return str(path.relative_to(folder))
    return f"~/{path.relative_to(machine.home)}"


def fresh(machine, text):
    """The same llm.toml without anything of sync's, and a first sync."""
    clear_stack(machine)
    machine.toml.write_text(text)
    sync(machine)


def clear(machine):
    clear_stack(machine)
    for place in (machine.models, machine.disk, machine.lm_studio, machine.ollama):
        shutil.rmtree(place)
        place.mkdir(parents=True)
        (place / "README").touch()
    machine.toml.write_text(START.format(home=machine.home))


def clear_stack(machine):
    shutil.rmtree(machine.folder)
    machine.folder.mkdir()

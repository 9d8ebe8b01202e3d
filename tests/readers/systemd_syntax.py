"""systemd's own syntaxes, read after systemd.exec(5), systemd.syntax(7) and systemd.service(5)."""


def read_environment_file(text: str) -> dict[str, str]:
    """Read an ``EnvironmentFile=`` as load_env_file() of systemd does."""
    found = {}
    for line in text.split("\n"):
        if not line.strip() or line.lstrip()[0] in "#;":
            continue
        key, _, rest = line.partition("=")
        found[key.strip()] = _value(rest)
    return found


def _value(text: str) -> str:
    value, at, state, keep = "", 0, "before", 0
    while at < len(text):
        char = text[at]
        match state, char:
            case "before", "'" | '"':
                state = char
            case "before" | "value", "\\":
                at, value, state = at + 1, value + text[at + 1], "value"
                keep = len(value)
            case "before", " " | "\t":
                pass
            case "before" | "value", _:
                state, value = "value", value + char
                if char not in " \t":
                    keep = len(value)
            case "'", "'":
                state, keep = "before", len(value)
            case '"', '"':
                state, keep = "before", len(value)
            case '"', "\\":
                follower = text[at + 1]
                value += follower if follower in '"\\`$' else "\\" + follower
                at += 1
            case _:
                value += char
        at += 1
    assert state in ("before", "value"), f"unfinished quotes: {text}"
    return value[:keep]


_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "s": " "}


def split_exec_start(text: str) -> list[str]:
    """Split an ``ExecStart=`` and undo specifiers and variables; refuses what would be expanded."""
    words, at = [], 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        word, at = _word(text, at)
        words.append(_literal(word))
    return words


def _word(text: str, at: int) -> tuple[str, int]:
    word, quote = "", ""
    while at < len(text) and (quote or text[at] not in " \t"):
        char = text[at]
        if char == quote:
            quote = ""
        elif not quote and char in "'\"":
            quote = char
        elif char == "\\":
            at += 1
            word += _ESCAPES.get(text[at], text[at])
            assert text[at] in _ESCAPES or text[at] in "\\\"'", f"unknown escape \\{text[at]}"
        else:
            word += char
        at += 1
    assert not quote, f"unfinished quotes: {text}"
    return word, at


def _literal(word: str) -> str:
    for sign in "%$":
        assert word.replace(sign * 2, "").count(sign) == 0, f"{sign} would be expanded in {word}"
        word = word.replace(sign * 2, sign)
    return word

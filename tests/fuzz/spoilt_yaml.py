"""Configurations that do not fit the schema, or are hardly YAML: what slips of the finger and malice make."""

from collections.abc import Callable
from copy import deepcopy
from random import Random
from typing import Any

from tests.fuzz.mutate import damaged
from tests.fuzz.schema import Map, Raw


def _scalars(text: str) -> list[str]:
    return [scalar for line in text.splitlines() for scalar in line.split("   ") if scalar]


_ODD_SCALARS = (
    *("", " ", "9" * 30, "9" * 5_000, f"!file {'x' * 300}"),
    *_scalars(r"""
~   null   yes   0x   0o7   1_000   1e3   .inf   -.inf   .nan   1e999   5e-324   -0.0   0   -1   1.5
999999999999999999999999999999   0b1   +1   1:30   1:2:3.5   2026-99-99   2026-01-01   =   <<
2001-12-14t21:59:43.10-05:00   0001-01-01 00:00:00 +23:59   9999-12-31 23:59:59 -23:59   !!null x
!!binary aGk=   !!binary ###   !!set {a, b}   !!omap [a: 1]   !!pairs [a: 1]   !!python/tuple [1]
!!int x   !!float x   !!bool x   !!timestamp x   !!str 5   !!map [1]   !!seq {a: 1}   !   ! x
!<tag:yaml.org,2002:str> x   !<tag:yaml.org,2002:int> []   !!python/object/apply:os.system [id]
!e!x y   !file secret.txt   !file empty.txt   !file latin.txt   !file nowhere   !file .   !file {}
!file   !file /dev/zero   !file pipe   !file "a\0b"   !file /proc/self/mem   !file secret/x
${LISTENER_FUZZ_SECRET}   ${HOME}   ${NOT_SET}   ${LISTENER_FUZZ_ODD}   ${}   ${${HOME}}   $HOME
${LISTENER_FUZZ_SECRET}${LISTENER_FUZZ_SECRET}   x-${LISTENER_FUZZ_SECRET}-y   "\ud800"
"\uDEAD\uBEEF"   "a\nb"   "a\0b"   "\x07\e[31m"   "\u2028"   "\u202e"   ä   İ   👂   '   "   |   >
[]   {}   [[]]   [{}]   {a: b}   {a: {a: {a: 1}}}   [1, a, null]   {1: 2}   {null: 1}   {[a]: 1}
? x   &a x   *a   &a [*a]   &a {b: *a}   *nothing   {<<: *a}   {<<: {use: log}}   {<<: [x]}   auto
max   log   file   microphone   torchscript   demo   onset   faulty   models/household.pt
*a*a*a*a*a*a*a*b   "[!"   "[]-a]"   "[b-a]"   "[a&&b||c--d~~e]"   "[[:alpha:]"   '\'   '{'
'{label}'   '{0}'   '{label.__class__}'   '{label!r:>9}'   '}'   '../../x'   '/'   '~nobody/x'
secret.txt/x   pipe   tiny.pt   !!int ''   !!float ''   !!bool ''   190:20:30.15   1:59:59   &a *a
"""),
)

_TYPOS: tuple[Callable[[Random, str], str], ...] = (
    lambda random, key: key[:-1],
    lambda random, key: key[::-1],
    lambda random, key: key.upper(),
    lambda random, key: key + random.choice(("s", " ", "\u0301", "\0", "\n", "_" * 50)),
    lambda random, key: key.replace("e", "\u0435"),
    lambda random, key: "x" * random.choice((1, 1000)),
    lambda random, key: random.choice(("", "<<", "=", "__class__", "model_config", "0", "*", "${HOME}")),
)

_TOKENS = (
    *"&*!|>'\"%@`#:?-,[]{}\0\t\x7f\ufeff~\\",
    *("!!", "<<", "---", "...", "%YAML 9.9\n---", "%TAG ! x\n---"),
)


def spoil(random: Random, tree: Map) -> None:
    """Spoil one value or key of a configuration."""
    slots = _slots(tree)
    if not slots:
        tree.append((random.choice(("use", "model", "", "a b")), Raw(random.choice(_ODD_SCALARS))))
        return
    container, place = random.choice(slots)
    key, value = container[place] if isinstance(container, Map) else (None, container[place])
    choice = random.random()
    if isinstance(container, Map) and choice < 0.3:
        if choice < 0.15:
            key = random.choice(_TYPOS)(random, str(key))
        elif choice < 0.2:
            key = random.choice((None, True, 5, Raw("[a]"), Raw("*a"), Raw("? [a, b]"), Raw("!!int x")))
        elif choice < 0.25:
            container.insert(random.randrange(len(container) + 1), (key, value))
            return
        else:
            del container[place]
            return
    else:
        value = _spoilt_value(random, value, tree)
    container[place] = (key, value) if isinstance(container, Map) else value


def _spoilt_value(random: Random, value: Any, tree: Map) -> Any:
    choice = random.random()
    if choice < 0.6:
        return Raw(random.choice(_ODD_SCALARS))
    if choice < 0.7:
        return [value] if random.random() < 0.5 else Map([("a", value)])
    if choice < 0.8 and isinstance(value, int | float):
        return value * random.choice((-1, 0, 10, 1e6, 1e300)) + random.choice((-1, 0, 1e-9, 1))
    if choice < 0.85:
        container, place = random.choice(_slots(tree))
        other = container[place]
        return deepcopy(other[1] if isinstance(container, Map) else other)
    if choice < 0.9:
        return Raw(_nested(random, random.choice((5, 40, 60, 100))))
    if choice < 0.95:
        return Raw(
            random.choice(("a", "9", "\u00e9", " b", "x,", "1:", "${HOME}")) * random.choice((300, 3_000))
        )
    return Raw(
        f"{random.choice(('!!str', '!!int', '!!seq', '!file', '!x', '&b'))} {random.choice(_ODD_SCALARS)}"
    )


def _slots(node: Any) -> list[tuple[Any, int]]:
    """Every place in a configuration that a value stands in."""
    found = []
    if isinstance(node, list):
        for place, item in enumerate(node):
            found.append((node, place))
            found += _slots(item[1] if isinstance(node, Map) else item)
    return found


def spoilt_text(random: Random, text: bytes) -> bytes:
    choice = random.random()
    if choice < 0.5:
        return damaged(random, text)
    if choice < 0.6:
        return text.replace(
            b"\n", random.choice((b"\r\n", b"\r", b"\n\t", b"\n \n", b"\0\n", b"\x85", b"\xe2\x80\xa8"))
        )
    if choice < 0.7:
        encoding = random.choice(("utf-16", "utf-32", "utf-8-sig", "latin-1", "cp037"))
        return text.decode("utf-8", "replace").encode(encoding, "replace")
    token = random.choice(_TOKENS).encode()
    lines = text.split(b"\n")
    place = random.randrange(len(lines))
    where = random.randrange(len(lines[place]) + 1)
    lines[place] = lines[place][:where] + token + lines[place][where:]
    return b"\n".join(lines)


def _nested(random: Random, depth: int) -> str:
    opening, closing = random.choice(
        (("[", "]"), ("{a: ", "}"), ("[{? ", "}]"), ("[[], ", "]"), ("{b: 1, c: ", "}"))
    )
    return opening * depth + "1" + closing * random.choice((depth, depth, depth - 1))


def bomb(random: Random) -> str:
    """A small text that becomes large, or a large one."""
    size = random.choice((10, 300, 2_000))
    key = random.choice(("a", "model", "events: {only", "actions", "sources"))
    start, end = f"{key}: ", "}" if "{" in key else ""
    return random.choice(_BOMBS)(random, size, start) + end


def _laughs(random: Random, size: int, start: str) -> str:
    levels = random.choice((3, 9, 30))
    one = random.choice(("[{0}]", "{{a: {0}}}", "{{<<: [{0}]}}"))
    lines = ["l0: &l0 " + random.choice(("lol", "{a: 1}", f"{'x' * size}"))]
    for level in range(1, levels):
        aliases = ", ".join([f"*l{level - 1}"] * 9)
        lines.append(f"l{level}: &l{level} " + one.format(aliases if "a:" not in one else f"[{aliases}]"))
    return "\n".join([*lines, f"{start}*l{levels - 1}"])


_BOMBS: tuple[Callable[[Random, int, str], str], ...] = (
    _laughs,
    _laughs,
    lambda random, size, start: (
        start + _nested(random, random.choice((150, 200, 300, 330, 400, 480, 900, 3_000)))
    ),
    lambda random, size, start: start + "{" + ", ".join(f"k{n}: {n}" for n in range(size)) + "}",
    lambda random, size, start: start + "[" + ", ".join(["log"] * size) + "]",
    lambda random, size, start: start + "[" + ", ".join(["{use: log}"] * size) + "]",
    lambda random, size, start: (
        start + "1" + ":59" * random.choice((size, 10 * size)) + random.choice(("", ".5"))
    ),
    lambda random, size, start: start + random.choice(("0x", "0b", "", "-", "1e", "0.")) + "1" * (10 * size),
    lambda random, size, start: start + "&a {" + "a" * (100 * size) + ": [" + "*a, " * size + "]}",
    lambda random, size, start: f"s: &s {'x' * 10 * size}\n{start}[" + "*s, " * size + "]",
    lambda random, size, start: start + random.choice("'\"|>") + "\n  x" * size,
    lambda random, size, start: "- " * size + start,
    lambda random, size, start: "? " * size + start,
    lambda random, size, start: "".join(f"{' ' * n}a:\n" for n in range(min(size, 400))) + start,
    lambda random, size, start: f"--- {start}\n" * size,
    lambda random, size, start: "#" * 100 * size + "\n" + start,
    lambda random, size, start: start + "${HOME}" * size,
    lambda random, size, start: "\ufeff" * size + start,
)

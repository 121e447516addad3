"""Flags as runc's users write them: `--flag value`, `--flag=value`, one dash or two, in any place.

What is left are the arguments. argparse would know neither the one dash nor flags after the
container's name, and its import takes as long as the whole of `state`.
"""

from engine.errors import InvalidArgument


class Option:
    """One flag. `kind` is bool, str, int or list (of strings, given several times)."""

    __slots__ = ("help", "kind", "name", "short")

    def __init__(self, name: str, kind: type, text: str, short: str = "") -> None:
        self.name = name
        self.kind = kind
        self.help = text
        self.short = short

    def default(self) -> object:
        return {bool: False, str: "", int: 0, list: []}[self.kind] if self.kind is not list else []


class Options:
    """The values of one verb's flags, and its arguments."""

    def __init__(self, known: "tuple[Option, ...]") -> None:
        self._values: dict[str, object] = {option.name: option.default() for option in known}
        self.given: set[str] = set()
        self.arguments: list[str] = []

    def text(self, name: str) -> str:
        return str(self._values[name])

    def flag(self, name: str) -> bool:
        return self._values[name] is True

    def number(self, name: str) -> int:
        value = self._values[name]
        return value if isinstance(value, int) else 0

    def texts(self, name: str) -> list[str]:
        value = self._values[name]
        return list(value) if isinstance(value, list) else []

    def put(self, option: Option, text: str) -> None:
        """Take a value as it was written. Raises InvalidArgument when it is not of the kind."""
        self.given.add(option.name)
        if option.kind is list:
            self._values[option.name] = [*self.texts(option.name), text]
        else:
            self._values[option.name] = _value(option, text)


_TRUE, _FALSE = ("1", "t", "true", "T", "TRUE", "True"), ("0", "f", "false", "F", "FALSE", "False")


def _value(option: Option, text: str) -> object:
    if option.kind is str:
        return text
    if option.kind is bool and text in (*_TRUE, *_FALSE):
        return text in _TRUE
    try:
        if option.kind is int:
            return int(text)
    except ValueError:
        pass
    what = "true or false" if option.kind is bool else "a whole number"
    raise InvalidArgument(f'invalid value "{text}" for flag -{option.name}: must be {what}')


def parse(words: "list[str]", known: "tuple[Option, ...]", *, mixed: bool = True) -> Options:
    """Read `words`; unless they may be `mixed`, everything after the first argument is one.

    Raises InvalidArgument for what is not among the `known`.
    """
    by_name = {option.name: option for option in known}
    by_name |= {option.short: option for option in known if option.short}
    result = Options(known)
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            result.arguments += rest
            break
        if not word.startswith("-") or word == "-":
            result.arguments.append(word)
            if mixed:
                continue
            result.arguments += rest
            break
        _take(word, rest, by_name, result)
    return result


def _take(word: str, rest: "list[str]", known: "dict[str, Option]", result: Options) -> None:
    name, equals, text = word.lstrip("-").partition("=")
    option = known.get(name)
    if option is None:
        raise InvalidArgument(f"flag provided but not defined: -{name}")
    if not equals:
        if option.kind is bool:
            text = "true"
        elif rest:
            text = rest.pop(0)
        else:
            raise InvalidArgument(f"flag needs an argument: -{name}")
    result.put(option, text)


def describe(known: "tuple[Option, ...]") -> str:
    """The flags, one a line, for a person."""
    rows = []
    for option in known:
        value = "" if option.kind is bool else " value"
        short = f", -{option.short}{value}" if option.short else ""
        rows.append((f"--{option.name}{value}{short}", option.help))
    width = max((len(left) for left, _ in rows), default=0)
    return "".join(f"   {left:<{width}}  {right}\n" for left, right in rows)

"""What is wrong in a document, in our words: the place, what was given, what was expected, the nearest valid word.

The models know what may stand where; they say it in pydantic's words, by a `loc` that also tells which member of a union was
tried. Here that becomes lines such as

    experiments/x.yaml:14: heads.PE.loss: got 'mea', expected one of mse, mae, huber; did you mean 'mae'?
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from branchsweep.config.config_model import ConfigModel
from branchsweep.config.json_schema import Root, expected, is_open, part, tag, words
from branchsweep.config.yaml_document import Document, Keys, dotted, given
from branchsweep.errors import ConfigError, did_you_mean, nearest

Model = TypeVar("Model", bound=ConfigModel)

BOOLEANS = {"yes": "true", "on": "true", "no": "false", "off": "false"}
"""Words of YAML 1.1 that YAML 1.2 reads as words."""


@dataclass(frozen=True, slots=True)
class ConfigMistake:
    """One thing to mend.

    Args:
        keys: The way to what is wrong; of a missing key, the way that it should have.
        at: The way that the message names: of an unknown or missing key, the mapping around it.
        message: What was given, what was expected, and the nearest valid word.
        meant: Of an unknown key, the valid one that was probably meant.
        crosses: Whether it shows only in what several places say together.
    """

    keys: Keys
    at: Keys
    message: str
    meant: str = ""
    crosses: bool = False


def model_of(root: type[Model], document: Document, found: Iterable[ConfigMistake] = ()) -> Model:
    """The experiment or the comparison that a document spells.

    Args:
        root: Which of them.
        document: With nothing left to be spelled out.
        found: Mistakes that are already known; they are told with the others.

    Raises:
        ConfigError: All mistakes, one per line, in the order of the files' lines.
    """
    model, refused = _checked(root, document.data)
    mistakes = [*found, *refused]
    if model is None or mistakes:
        refuse(document, [*mistakes, *_behind(root, document.data, mistakes)])
    return model


def refuse(document: Document, mistakes: Iterable[ConfigMistake]) -> NoReturn:
    """Raise ConfigError with all mistakes, one per line, in the order of the files' lines."""
    sources = document.sources

    def order(mistake: ConfigMistake) -> tuple[int, int]:
        place = document.place(mistake.keys)
        return sources.index(place.source), place.line

    (where, message), *others = [_told(document, mistake) for mistake in sorted(_once(mistakes), key=order)]
    raise ConfigError("\n".join([message, *(f"{where}: {message}" for where, message in others)]), where=where)


def _checked(root: type[Model], data: dict[str, Any]) -> tuple[Model | None, list[ConfigMistake]]:
    try:
        return root.model_validate(data, strict=True), []  # strict: YAML says by itself what is a number
    except ValidationError as error:
        return None, [_mistake(root, data, details) for details in error.errors(include_url=False)]


def _behind(root: Root, data: dict[str, Any], mistakes: list[ConfigMistake]) -> list[ConfigMistake]:
    """Mistakes that the models see only when the others are gone, such as a space that names no tunable.

    The models look again at the data without the values that are wrong, which then have their defaults, until nothing is
    left to take away. What they say about the neighbours of such a value may be due to its default, and what they say about
    conditions to a dimension that was taken away: both are left for the time when the value is mended.
    """
    rest, latest, told = copy.deepcopy(data), mistakes, list(mistakes)
    while sum(_remove(rest, mistake) for mistake in latest):
        _, latest = _checked(root, rest)
        told += [mistake for mistake in latest if mistake.crosses and not _is_shadow(root, data, mistake, told)]
    return told[len(mistakes) :]


def _remove(data: dict[str, Any], mistake: ConfigMistake) -> bool:
    """Take away what is wrong, or what lacks something; whether that changed anything."""
    is_there = _stand_in(mistake.keys) is not None or _has_way(data, mistake.keys)
    keys = mistake.keys if is_there else mistake.at
    stand_in = _stand_in(keys)
    if stand_in is not None:
        mapping = _at(data, keys[:-1])
        changed: bool = mapping.get(keys[-1]) != stand_in
        mapping[keys[-1]] = stand_in
        return changed
    while keys and isinstance(keys[-1], int):  # a list goes as a whole: its entries are named by their positions
        keys = keys[:-1]
    if not keys or not _has_way(data, keys):
        return False
    del _at(data, keys[:-1])[keys[-1]]
    return True


def _stand_in(keys: Keys) -> Any:
    """A value for what must be there, but on whose value nothing else hangs."""
    match keys[_experiment(keys) :]:
        case ("name",):
            return "unnamed"
        case ("table",):
            return {"source": "unnamed", "inputs": ["unnamed"]}
        case ("heads", str()):
            return {}
        case ("contestants", str()):
            return {"kind": "network"}
    return None


def _experiment(keys: Keys) -> int:
    """How many keys of a way lead to the experiment inside a comparison that it goes on into; none in an experiment's own."""
    match keys:
        case ("experiment", _, *_):
            return 1
        case ("contestants", _, "experiment", _, *_):
            return 3
    return 0


def _is_shadow(root: Root, data: dict[str, Any], mistake: ConfigMistake, earlier: list[ConfigMistake]) -> bool:
    """Whether the mistake may be there only because a value was taken away."""
    around = [_neighbourhood(root, data, other.keys) for other in earlier if not other.crosses]
    if any(mistake.keys[: len(keys)] == keys for keys in around):
        return True
    match mistake.keys:
        case ("transfer", _):  # speaks of kinds
            return any(other.keys[:1] == ("contestants",) and _experiment(other.keys) == 0 for other in earlier)
        case ("contestants", _, "experiment"):  # speaks of tables and heads
            inside = [other.keys[_experiment(other.keys) :] for other in earlier if _experiment(other.keys)]
            return any(keys[0] in {"table", "heads"} for keys in inside)
    above = _experiment(mistake.keys)
    dimensions, is_condition = mistake.keys[: above + 2], mistake.keys[above + 3 : above + 4] == ("when",)
    return is_condition and any(other.keys[: above + 3] == (*dimensions, mistake.keys[above + 4]) for other in earlier)


def _neighbourhood(root: Root, data: dict[str, Any], keys: Keys) -> Keys:
    """The mapping whose entries depend on each other, around what is wrong."""
    is_alone = len(keys) == _experiment(keys) + 1 or is_open(part(root, keys[:-1], data))
    return keys if is_alone else keys[:-1]


def _mistake(root: Root, data: dict[str, Any], details: ErrorDetails) -> ConfigMistake:
    """One of pydantic's errors in our words."""
    keys = _way(root, data, details)
    match details["type"]:
        case "mistake":
            return ConfigMistake(keys, keys, details["ctx"]["message"], crosses=True)
        case "value_error":
            return ConfigMistake(keys, keys, str(details["ctx"]["error"]))
        case "missing":
            return ConfigMistake(keys, keys[:-1], f"missing key '{keys[-1]}', expected {expected(part(root, keys, data))}")
        case "extra_forbidden":
            return _unknown_key(root, data, keys)
        case "union_tag_invalid" | "union_tag_not_found":
            return _wrong_tag(root, data, keys)
    if details["loc"][-1] == "[key]":
        return ConfigMistake(keys, keys, f"got '{keys[-1]}', expected {expected({'type': 'string', 'pattern': ''})}")
    found, value = part(root, keys, data), details["input"]
    kind = found.get("type")
    if "oneOf" in found and isinstance(value, str) and (member := nearest(value, words(found))):  # the kind alone
        hint = f"; did you mean {{{found['discriminator']['propertyName']}: {member}}}?"
    else:
        hint = _hint(value, kind, [] if kind == "object" or "oneOf" in found else words(found))
    return ConfigMistake(keys, keys, f"got {given(value)}, expected {expected(found)}{hint}")


def _way(root: Root, data: dict[str, Any], details: ErrorDetails) -> Keys:
    """The way in the document that a `loc` tells of: without the members of unions, which stand in no document."""
    *above, last = details["loc"]
    keys: Keys = ()
    member = ""
    for key in above:
        if member and key == member:  # a key below may have its name
            member = ""
        elif _has(_at(data, keys), key):
            keys = (*keys, key)
            member = tag(root, keys, data)
    if "anyOf" in part(root, keys, data) or (member and last == member):  # what follows names one of several kinds
        return keys
    return (*keys, last) if _has(_at(data, keys), last) or details["type"] == "missing" else keys


def _has(data: Any, key: str | int) -> bool:
    return key in data if isinstance(data, dict) else isinstance(data, list) and isinstance(key, int) and key < len(data)


def _unknown_key(root: Root, data: dict[str, Any], keys: Keys) -> ConfigMistake:
    valid, key = words(part(root, keys[:-1], data)), str(keys[-1])
    message = f"unknown key '{key}', expected one of {', '.join(valid)}{did_you_mean(key, valid)}"
    return ConfigMistake(keys, keys[:-1], message, meant=nearest(key, valid))


def _wrong_tag(root: Root, data: dict[str, Any], keys: Keys) -> ConfigMistake:
    union = part(root, keys, data)
    key, valid = union["discriminator"]["propertyName"], words(union)
    value = _at(data, keys)
    if key not in value:
        return ConfigMistake((*keys, key), keys, f"missing key '{key}', expected one of {', '.join(valid)}")
    hint = _hint(value[key], "string", valid)
    return ConfigMistake((*keys, key), (*keys, key), f"got {given(value[key])}, expected one of {', '.join(valid)}{hint}")


def _has_way(data: Any, keys: Keys) -> bool:
    for key in keys:
        if not _has(data, key):
            return False
        data = data[key]
    return True


def _at(data: Any, keys: Keys) -> Any:
    for key in keys:
        data = data[key]
    return data


def _hint(value: Any, kind: str | None, valid: list[str]) -> str:
    """How to mend a value of the wrong kind, where that can be guessed."""
    if not isinstance(value, str):
        return ""
    if kind == "boolean" and value.casefold() in BOOLEANS:
        return f"; did you mean '{BOOLEANS[value.casefold()]}'?"
    if kind in {"integer", "number"} and value.replace(".", "", 1).isdigit():
        return f"; did you mean {value}, without quotes?"
    return did_you_mean(value, valid)


def _once(mistakes: Iterable[ConfigMistake]) -> list[ConfigMistake]:
    """Each place once, and no key as missing that stands there misspelled."""
    mistakes = list(mistakes)
    meant = {(*mistake.keys[:-1], mistake.meant) for mistake in mistakes if mistake.meant}
    first: dict[Keys, ConfigMistake] = {}
    for mistake in mistakes:
        first.setdefault(mistake.keys, mistake)
    return [mistake for keys, mistake in first.items() if keys not in meant]


def _told(document: Document, mistake: ConfigMistake) -> tuple[str, str]:
    place = document.place(mistake.keys)
    name = dotted(mistake.at[place.above :])
    return str(place), f"{name}: {mistake.message}" if name else mistake.message

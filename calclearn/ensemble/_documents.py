"""Values of a JSON document that is not trusted: each is looked at before it is used.

No array is made of a size that a document merely states.  Whatever is wrong is a ValueError that says where.
"""

import json
import re

import numpy as np

NAMES = {dict: "an object", list: "a list", str: "a string"}
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
REQUIRED = object()


def read_document(path):
    """The JSON document in a file; a ValueError if there is none."""
    with open(path, "rb") as file:
        data = file.read()
    if data[:1] == b"{" and data[1:2].isalpha():
        raise ValueError(f"{path} is in UBJSON, not in JSON: save the model under a name that ends in .json")
    try:
        return json.loads(data.decode("utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is not a model in JSON: it is nested too deeply") from None
    except ValueError as error:  # also of the decoding
        raise ValueError(f"{path} is not a model in JSON (nor is any other format read): {error}") from error


def value_at(node, key, kind, where, default=REQUIRED):
    """What `node`, an object, has under a key; of this kind."""
    value = node.get(key, default)
    if value is REQUIRED:
        raise ValueError(f"broken model: {where} has no {key}")
    if value is not default and type(value) is not kind:
        raise ValueError(f"broken model: {key} of {where} must be {NAMES[kind]}, got {short(value)}")
    return value


def object_at(node, key, where):
    """The object that `node` has under a key."""
    return value_at(node, key, dict, where)


def short(value):
    text = f"{type(value).__name__}" if isinstance(value, dict | list) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def numbers_in(text, where):
    """The finite numbers in a string: one, or several in brackets; as XGBoost writes parameters."""
    parts = text.strip().strip("[]()").split(",") if isinstance(text, str) else []
    if not parts or not all(NUMBER.fullmatch(part.strip()) for part in parts):
        raise ValueError(f"broken model: {where} must be a number or numbers in a string, got {short(text)}")
    numbers = np.array([float(part) for part in parts])
    if not np.isfinite(numbers).all():
        raise ValueError(f"broken model: {where} must be finite, got {short(text)}")
    return numbers


def count_at(node, key, where, least, most, default=REQUIRED):
    """A whole number, which XGBoost writes as a string."""
    text = value_at(node, key, str, where, default)
    if text is default:
        return default
    if not re.fullmatch(r"[0-9]{1,18}", text) or not least <= int(text) <= most:
        raise ValueError(
            f"broken model: {key} of {where} must be a whole number from {least} to {most} in a string, "
            f"got {short(text)}"
        )
    return int(text)


def integers_at(node, key, where, low, high, size=None, default=REQUIRED):
    """A list of whole numbers from `low` to `high`, as an array."""
    values = list_at(node, key, where, size, {int}, default)
    if len(values) and not (low <= min(values) and max(values) <= high):
        outside = next(i for i, value in enumerate(values) if not low <= value <= high)
        raise ValueError(
            f"broken model: {where}: {key}[{outside}] must be from {low} to {high}, "
            f"got {short(values[outside])}"
        )
    return np.array(values, np.int64)


def flags_at(node, key, where, size, default=REQUIRED):
    """A list of 0 and 1, or of false and true, as XGBoost wrote them once."""
    values = list_at(node, key, where, size, {int, bool}, default)
    if not set(values) <= {0, 1}:
        raise ValueError(f"broken model: {where}: {key} must hold 0 and 1")
    return np.array(values, bool)


def singles_at(node, key, where, size):
    """A list of numbers, as an array of float32; NaN and infinities are let through."""
    values = list_at(node, key, where, size, {int, float})
    try:
        with np.errstate(over="ignore"):
            return np.array(values, np.float64).astype(np.float32)
    except OverflowError:
        raise ValueError(f"broken model: {where}: {key} must hold numbers in float32") from None


def list_at(node, key, where, size, kinds, default=REQUIRED):
    values = value_at(node, key, list, where, default)
    if size is not None and len(values) != size:
        raise ValueError(f"broken model: {where}: {key} must hold {size} entries, got {len(values)}")
    if not set(map(type, values)) <= kinds:
        wrong = next(value for value in values if type(value) not in kinds)
        names = " or ".join(sorted(kind.__name__ for kind in kinds))
        raise ValueError(f"broken model: {where}: {key} must hold {names} alone, got {short(wrong)}")
    return values

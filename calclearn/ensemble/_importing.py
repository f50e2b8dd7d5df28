"""XGBoost's JSON format as trees: checked in all that compiled code and predictions rely on.

Whatever is wrong is a ValueError that says what, and in which tree.
"""

import json
from typing import NamedTuple

import numpy as np

from .._categories import OTHERS
from ._documents import (
    count_at,
    flags_at,
    integers_at,
    list_at,
    numbers_in,
    object_at,
    short,
    singles_at,
    value_at,
)
from ._exporting import MOST_CODES, margin_of
from ._layout import BINS, LEAF, SET_WORDS
from ._trees import Trees

MOST_FEATURES = 1 << 24
DELETED = 2147483647  # the split index of a node that was pruned
FEW_CODES = BINS - 1  # up to which each code has a bin of its own


class Model(NamedTuple):
    """What a file tells."""

    objective: str
    losses: list
    trees: Trees
    base: np.ndarray
    n_rounds: int
    n_features: int
    names: list | None
    categorical: np.ndarray | None
    categories: dict
    codes: dict
    classes: np.ndarray | None
    best_iteration: int | None
    best_score: float | None


def model_of(document, losses_of):
    """The model that a document describes.

    Parameters
    ----------
    document : object
        Any JSON value.
    losses_of : callable
        ``losses_of(name, parameters)``: the losses that an objective stands for, and their link.

    Returns
    -------
    Model

    Raises
    ------
    ValueError
        For a document that is no such model.
    """
    if not isinstance(document, dict) or "learner" not in document:
        raise ValueError("not a model of XGBoost: there is no learner in it")
    learner = object_at(document, "learner", "the document")
    objective = object_at(learner, "objective", "learner")
    name = value_at(objective, "name", str, "objective")
    losses, link = losses_of(name, objective)
    parameters = object_at(learner, "learner_model_param", "learner")
    n_features = count_at(parameters, "num_feature", "learner_model_param", 1, MOST_FEATURES)
    forest = _forest(learner)
    trees = value_at(forest, "trees", list, "model")
    K = _outputs(parameters, name, losses)
    of_rounds, order = _rounds(forest, len(trees), K)
    names, types = _columns(learner, n_features)
    labels = _labels(forest, n_features)
    parts = [_tree(trees[t], f"tree {t}", n_features, types) for t in order.tolist()]
    codes, categories = _set_categories(parts, types, labels)
    categorical = None
    if categories:
        categorical = np.zeros(n_features, bool)
        categorical[list(categories)] = True
    joined = _joined(parts, K)
    joined.check(n_features, K)
    attributes = value_at(learner, "attributes", dict, "learner", {})
    best_iteration, best_score = _best(attributes, of_rounds, joined.n_trees // K // of_rounds)
    return Model(
        objective=name,
        losses=losses,
        trees=joined,
        base=_base(parameters, link, K),
        n_rounds=joined.n_trees // K,
        n_features=n_features,
        names=names,
        categorical=categorical,
        categories=categories,
        codes=codes,
        classes=_classes(attributes, name, K),
        best_iteration=best_iteration,
        best_score=best_score,
    )


# ------------------------------------------------------------------------------------------------ the learner


def _forest(learner):
    """The part of the document that holds the trees."""
    booster = object_at(learner, "gradient_booster", "learner")
    name = value_at(booster, "name", str, "gradient_booster")
    if name != "gbtree":
        raise ValueError(f"the model's booster is {name!r}: only gbtree has a counterpart here")
    return object_at(booster, "model", "gradient_booster")


def _outputs(parameters, name, losses):
    """How many outputs there are."""
    most = 1 << 31
    n_class = count_at(parameters, "num_class", "learner_model_param", 0, most, 0)
    n_target = count_at(parameters, "num_target", "learner_model_param", 0, most, 1)
    if name.startswith("multi:"):
        if n_class < 2:
            raise ValueError(f"broken model: num_class must be at least 2 for {name}, got {n_class}")
        return n_class
    if n_class > 1:
        raise ValueError(f"broken model: num_class must be 0 for {name}, got {n_class}")
    if n_target > 1 and n_target != len(losses):
        raise ValueError(f"models of several targets have no counterpart here: num_target is {n_target}")
    return len(losses)


def _rounds(forest, n_trees, K):
    """`(how many trees a round has of each output, the order of trees in which outputs take turns)`."""
    parameters = object_at(forest, "gbtree_model_param", "model")
    most = 1 << 31
    stated = count_at(parameters, "num_trees", "gbtree_model_param", 0, most)
    if stated != n_trees:
        raise ValueError(f"broken model: num_trees is {stated}, but there are {n_trees} trees")
    if n_trees == 0:
        raise ValueError("the model holds no trees")
    P = max(1, count_at(parameters, "num_parallel_tree", "gbtree_model_param", 0, most, 1))
    if n_trees % (K * P):
        raise ValueError(
            f"broken model: {n_trees} trees are not whole rounds, of {P} for each of {K} outputs"
        )
    output = integers_at(forest, "tree_info", "model", 0, K - 1, n_trees)
    begins = integers_at(forest, "iteration_indptr", "model", 0, n_trees, default=[])
    if len(begins) and not np.array_equal(begins, np.arange(0, n_trees + 1, K * P)):
        raise ValueError(f"broken model: iteration_indptr must ascend by {K * P} from 0 to {n_trees}")
    output = output.reshape(-1, K * P)
    wrong = np.flatnonzero((np.sort(output, axis=1) != np.repeat(np.arange(K), P)).any(axis=1))
    if wrong.size:
        raise ValueError(f"broken model: tree_info: round {wrong[0]} must have {P} trees of each output")
    turns = np.argsort(output, axis=1, kind="stable").reshape(-1, K, P).transpose(0, 2, 1)
    return P, (turns + np.arange(len(output))[:, None, None] * (K * P)).ravel()


def _base(parameters, link, K):
    """The raw predictions before the first tree."""
    where = "base_score of learner_model_param"
    mean = numbers_in(parameters.get("base_score"), where)
    if len(mean) not in (1, K):
        raise ValueError(f"broken model: {where} must hold {K} numbers, got {len(mean)}")
    with np.errstate(all="ignore"):
        raw = margin_of(link, mean)
    if not np.isfinite(raw).all() or (link == "logit" and not ((mean > 0) & (mean < 1)).all()):
        raise ValueError(f"broken model: {where} must be a mean of the objective, got {mean.tolist()}")
    return np.broadcast_to(raw, K).copy()


def _best(attributes, of_rounds, n_rounds):
    """`(best iteration, best score)` after early stopping; None, None without."""
    if "best_iteration" not in attributes:
        return None, None
    best = count_at(attributes, "best_iteration", "attributes", 0, n_rounds - 1)
    score = value_at(attributes, "best_score", str, "attributes", "nan")
    try:
        return (best + 1) * of_rounds - 1, float(score)
    except ValueError:
        raise ValueError(
            f"broken model: best_score must be a number in a string, got {short(score)}"
        ) from None


def _classes(attributes, name, K):
    """The labels of classes: those that we wrote, or 0, 1, ...; None in a regression."""
    if name != "binary:logistic" and not name.startswith("multi:"):
        return None
    n_classes = max(2, K)
    text = value_at(attributes, "classes", str, "attributes", None)
    if text is None:
        return np.arange(n_classes)
    try:
        labels = json.loads(text)
    except (ValueError, RecursionError):
        labels = None
    if type(labels) is not list or set(map(type, labels)) not in ({str}, {int}, {float}, {bool}):
        raise ValueError(f"broken model: classes of attributes must be a list of labels, got {short(text)}")
    classes = np.array(labels)
    if len(classes) != n_classes or not np.array_equal(np.unique(classes), classes):
        raise ValueError(f"broken model: classes of attributes must be {n_classes} labels in ascending order")
    return classes


def _columns(learner, n_features):
    """`(names or None, types or None)` of the features."""
    found = []
    for key in ("feature_names", "feature_types"):
        values = list_at(learner, key, "learner", None, {str}, [])
        if values and len(values) != n_features:
            raise ValueError(f"broken model: {key} must hold {n_features} strings, got {len(values)}")
        found.append(values or None)
    if found[0] and len(set(found[0])) < n_features:
        raise ValueError("broken model: feature_names must differ")
    return found


def _labels(forest, n_features):
    """The labels of categories, by feature; of those alone of which the file tells them."""
    columns = list_at(value_at(forest, "cats", dict, "model", {}), "enc", "cats", None, {dict}, [])
    if columns and len(columns) != n_features:
        raise ValueError(f"broken model: enc of cats must hold {n_features} columns, got {len(columns)}")
    labels = {}
    for f, column in enumerate(columns):
        where = f"cats of feature {f}"
        if "offsets" in column:
            found = _texts(column, where)
        else:
            found = integers_at(column, "values", where, -(2**63), 2**63 - 1)
        if len(found) > MOST_CODES or len(set(found.tolist())) < len(found):
            raise ValueError(f"broken model: {where}: labels must differ, and be at most {MOST_CODES}")
        if len(found):
            labels[f] = found
    return labels


def _texts(column, where):
    """Strings that are stored as bytes, one behind the other."""
    values = integers_at(column, "values", where, -128, 255)
    offsets = integers_at(column, "offsets", where, 0, len(values), default=[])
    if (np.diff(offsets) < 0).any():
        raise ValueError(f"broken model: {where}: offsets must ascend")
    data = (values & 255).astype(np.uint8).tobytes()
    try:
        texts = [data[i:j].decode("utf-8") for i, j in zip(offsets[:-1].tolist(), offsets[1:].tolist())]
    except UnicodeDecodeError as error:
        raise ValueError(
            f"broken model: {where}: labels that are not ASCII were cut, as XGBoost 3.2 does: {error}"
        ) from error
    return np.array(texts, dtype=object)


# ----------------------------------------------------------------------------------------------------- trees


class Part(NamedTuple):
    """One tree, and the codes that its categorical nodes send right."""

    arrays: dict
    feature_of: dict
    right: dict


def _tree(tree, where, n_features, types):
    """One tree's arrays, checked."""
    if type(tree) is not dict:
        raise ValueError(f"broken model: {where} must be an object, got {short(tree)}")
    parameters = object_at(tree, "tree_param", where)
    if count_at(parameters, "size_leaf_vector", f"tree_param of {where}", 0, 1 << 31, 1) > 1:
        raise ValueError(f"{where}: trees whose leaves are vectors have no counterpart here")
    n = len(value_at(tree, "left_children", list, where))
    if n == 0 or count_at(parameters, "num_nodes", f"tree_param of {where}", 0, 1 << 31) != n:
        raise ValueError(f"broken model: {where}: num_nodes must be the length of left_children, {n}, not 0")
    left = integers_at(tree, "left_children", where, LEAF, n - 1, n)
    right = integers_at(tree, "right_children", where, LEAF, n - 1, n)
    parents = integers_at(tree, "parents", where, -1, DELETED, n)
    feature = integers_at(tree, "split_indices", where, 0, DELETED, n)
    condition = singles_at(tree, "split_conditions", where, n)
    by_category = flags_at(tree, "split_type", where, n, [False] * n)
    missing_left = flags_at(tree, "default_left", where, n)
    none_left = (condition == -np.inf) & ~by_category  # nothing is below: the same as all up to inf, mirrored
    left, right = np.where(none_left, right, left), np.where(none_left, left, right)
    order = _order(left.tolist(), right.tolist(), parents.tolist(), feature, where)
    place = np.full(n, LEAF)
    place[order] = np.arange(len(order))
    gain = singles_at(tree, "loss_changes", where, n)[order].astype(np.float64)
    cover = singles_at(tree, "sum_hessian", where, n)[order].astype(np.float64)
    left, right, feature, condition = left[order], right[order], feature[order], condition[order]
    leaf = left == LEAF
    inner = ~leaf
    by_category = by_category[order] & inner
    _check_numbers(where, order, leaf, by_category, condition, gain, cover)
    _check_features(where, order[inner], feature[inner], by_category[inner], n_features, types)
    left, right = np.where(leaf, LEAF, place[left]), np.where(leaf, LEAF, place[right])
    arrays = {
        "feature": np.where(leaf, LEAF, feature).astype(np.int32),
        "threshold": np.where(inner & ~by_category, thresholds_of(condition), 0.0),
        "left": left.astype(np.int32),
        "right": right.astype(np.int32),
        "missing_left": (missing_left ^ none_left)[order] & inner,
        "categorical": by_category,
        "set": np.zeros((len(order), SET_WORDS), np.uint64),
        "value": _values(left, right, np.where(leaf, condition, 0.0).astype(np.float64), cover),
        "gain": np.where(inner, gain, 0.0),
        "cover": cover,
        "count": np.zeros(len(order), np.int64),
    }
    sent = _sent_right(tree, where, n)
    nodes = np.flatnonzero(by_category).tolist()
    missing = [int(order[i]) for i in nodes if int(order[i]) not in sent]
    if missing:
        raise ValueError(
            f"broken model: {where}: categories_nodes must hold node {missing[0]}, which splits by them"
        )
    return Part(arrays, {i: int(feature[i]) for i in nodes}, {i: sent[int(order[i])] for i in nodes})


def _order(left, right, parents, feature, where):
    """The nodes in the order to keep: as they stand, if siblings are neighbours and behind their parent."""
    order, seen = [0], bytearray(len(left))
    seen[0] = 1
    as_they_stand = True
    for i in order:
        l, r = left[i], right[i]
        if (l == LEAF) != (r == LEAF):
            raise ValueError(f"broken model: {where}: node {i} must have two children or none")
        if l == LEAF:
            continue
        as_they_stand &= i < l == r - 1
        for child in (l, r):
            if seen[child]:
                raise ValueError(f"broken model: {where}: there are two ways to node {child}")
            if parents[child] != i:
                raise ValueError(
                    f"broken model: {where}: parents[{child}] must be {i}, got {short(parents[child])}"
                )
            seen[child] = 1
            order.append(child)
    lost = np.flatnonzero(~np.frombuffer(seen, bool) & (feature != DELETED))
    if lost.size:
        raise ValueError(f"broken model: {where}: there is no way to node {lost[0]}")
    return np.arange(len(left)) if as_they_stand and len(order) == len(left) else np.array(order)


def _check_numbers(where, order, leaf, by_category, condition, gain, cover):
    """That what is added up is finite, and what is compared is no NaN."""
    for name, wrong in (
        ("a leaf's value must be finite", leaf & ~np.isfinite(condition)),
        ("a split condition must not be NaN", ~leaf & ~by_category & np.isnan(condition)),
        ("loss_changes must be finite", ~leaf & ~np.isfinite(gain)),
        ("sum_hessian must be finite", ~np.isfinite(cover)),
    ):
        if wrong.any():
            raise ValueError(f"broken model: {where}: {name}, at node {order[np.argmax(wrong)]}")


def _check_features(where, nodes, feature, by_category, n_features, types):
    """That splits are by features that there are, of the fitting type."""
    wrong = np.flatnonzero(feature >= n_features)
    if wrong.size:
        i = wrong[0]
        raise ValueError(
            f"broken model: {where}: split_indices[{nodes[i]}] must be below {n_features}, got {feature[i]}"
        )
    if types is not None:
        of_feature = np.array([types[f] == "c" for f in feature.tolist()], bool)
        wrong = np.flatnonzero(of_feature != by_category)
        if wrong.size:
            i = wrong[0]
            what = "by categories" if by_category[i] else "by a condition"
            raise ValueError(
                f"broken model: {where}: node {nodes[i]} splits {what}, but feature {feature[i]} is of type "
                f"{short(types[feature[i]])}"
            )


def thresholds_of(conditions):
    """The float64 thresholds with ``x <= threshold`` where ``float32(x) < condition``, for x in float64.

    Nothing is below the condition -inf: there it is +inf, for a node with its children swapped.
    """
    beyond = 2.0**128  # what would follow the largest float32, which decides how numbers are rounded to it
    with np.errstate(all="ignore"):
        below = np.nextafter(conditions, np.float32(-np.inf)).astype(np.float64)
        middle = 0.5 * np.clip(below, -beyond, beyond) + 0.5 * np.clip(
            conditions.astype(np.float64), -beyond, beyond
        )
        to_left = middle.astype(np.float32) < conditions  # ties go to the even one
        threshold = np.where(to_left, middle, np.nextafter(middle, -np.inf))
    return np.where(conditions == -np.inf, np.inf, threshold)


def _values(left, right, values, cover):
    """The leaves' values, and for other nodes the mean of those below, in the shares of the cover."""
    left, right, values, cover = left.tolist(), right.tolist(), values.tolist(), cover.tolist()
    for i in range(len(left) - 1, -1, -1):  # children stand behind their parent
        l, r = left[i], right[i]
        if l != LEAF:
            of_left, of_right = max(cover[l], 0.0), max(cover[r], 0.0)
            share = of_left / (of_left + of_right) if of_left + of_right > 0 else 0.5
            values[i] = share * values[l] + (1.0 - share) * values[r]
    return np.array(values)


def _joined(parts, K):
    """All trees as one; their outputs take turns."""
    sizes = [len(part.arrays["feature"]) for part in parts]
    return Trees(
        starts=np.cumsum([0, *sizes]).astype(np.int64),
        output=(np.arange(len(parts)) % K).astype(np.int32),
        **{name: np.concatenate([part.arrays[name] for part in parts]) for name in parts[0].arrays},
    )


# ------------------------------------------------------------------------------------------------ categories


def _sent_right(tree, where, n):
    """The codes that go right, by node."""
    nodes = integers_at(tree, "categories_nodes", where, 0, n - 1, default=[])
    codes = integers_at(tree, "categories", where, 0, MOST_CODES - 1, default=[])
    starts = integers_at(tree, "categories_segments", where, 0, len(codes), len(nodes), [])
    sizes = integers_at(tree, "categories_sizes", where, 0, len(codes), len(nodes), [])
    ends = starts + sizes
    if (starts[1:] < ends[:-1]).any() or (ends > len(codes)).any():
        raise ValueError(f"broken model: {where}: categories_segments overlap, or end behind the categories")
    if len(np.unique(nodes)) < len(nodes):
        raise ValueError(f"broken model: {where}: categories_nodes must differ")
    return {i: codes[a:b] for i, a, b in zip(nodes.tolist(), starts.tolist(), ends.tolist())}


def _set_categories(parts, types, labels):
    """Fill the trees' sets; returns `(codes, categories)`: the bins of codes, and the codes' labels."""
    splits = {}
    for part in parts:
        for i, f in part.feature_of.items():
            splits.setdefault(f, []).append((part, i))
    for f, of_type in enumerate(types or ()):
        if of_type == "c":
            splits.setdefault(f, [])
    numeric = np.concatenate([p.arrays["feature"][~p.arrays["categorical"]] for p in parts])
    both = sorted(splits.keys() & set(numeric.tolist()))
    if both:
        raise ValueError(f"broken model: feature {both[0]} is split by categories and by conditions")
    codes, categories = {}, {}
    for f, nodes in sorted(splits.items()):
        most = max((int(part.right[i].max(initial=-1)) for part, i in nodes), default=-1) + 1
        if f in labels and most > len(labels[f]) + 1:  # `_exporting` names the next one where none goes right
            raise ValueError(
                f"broken model: feature {f} has {len(labels[f])} categories, but a split names one of {most}"
            )
        categories[f] = labels[f] if f in labels else _numbered(most)
        codes[f] = _bins_of(f, nodes, len(categories[f]))
        for part, i in nodes:
            words = part.arrays["set"][i]
            words[:] = ~np.uint64(0)
            for b in np.unique(codes[f][part.right[i][part.right[i] < len(codes[f])]]).tolist():
                words[b >> 6] &= ~(np.uint64(1) << np.uint64(b & 63))
    return codes, categories


def _numbered(most):
    """Codes as their own labels; then all the others, which go left wherever codes are asked for."""
    return np.array([*range(max(most, FEW_CODES - 1)), OTHERS], dtype=object)


def _bins_of(f, nodes, n_codes):
    """The bin of each code: its own, or with many codes one of all that the splits do not tell apart."""
    if n_codes <= FEW_CODES:
        return np.arange(n_codes, dtype=np.int16)
    right_at = {}
    for k, (part, i) in enumerate(nodes):
        for code in part.right[i][part.right[i] < n_codes].tolist():
            right_at.setdefault(code, []).append(k)
    groups = {}
    bins = np.empty(n_codes, np.int16)
    for code in range(n_codes):
        bins[code] = groups.setdefault(tuple(right_at.get(code, ())), len(groups))
        if len(groups) > BINS:
            raise ValueError(f"feature {f}: the splits tell more than {BINS} groups of its categories apart")
    return bins

"""Trees as a document of XGBoost's JSON format."""

import json
import warnings

import numpy as np

from .._categories import OTHERS
from ._layout import LEAF

VERSION = [3, 2, 0]
NOBODY = 2147483647  # the parent of a root
INT64 = 15  # XGBoost's number of a list of int64
LARGEST = np.finfo(np.float32).max
MOST_CODES = 1 << 20
NAMELESS = -1  # the code of all codes that are not known
FAR = 1e-3  # a mean that misses its raw prediction by so much is not stated
UNSPEAKABLE = frozenset("[]<")  # XGBoost allows none of them in names
MEAN = {
    "identity": lambda raw: raw,
    "log": np.exp,
    "logit": lambda raw: 1.0 / (1.0 + np.exp(-raw)),
}
NEUTRAL = {"identity": 0.0, "log": 1.0, "logit": 0.5}  # means of the raw prediction 0


def document_of(trees, objective, base, *, n_features, names, codes, categories, attributes):
    """The JSON document of a model.

    Parameters
    ----------
    trees : Trees
        Of whole rounds.
    objective : Objective
    base : ndarray of shape (n_outputs,)
    n_features : int
    names : sequence of str or None
    codes : dict of int to ndarray
        The bins of each categorical feature's codes.
    categories : dict of int to ndarray
        Its labels, by code.
    attributes : dict
        What else to keep; values that are not strings are written as JSON.

    Returns
    -------
    dict

    Raises
    ------
    ValueError
        For leaves beyond float32, and for splits that send codes right that are not known.

    Warns
    -----
    UserWarning
        For names that XGBoost does not take.
    """
    names = _names_written(names)
    K = len(base)
    scores, rest = split_base(base, objective.link)
    of_frame = names is not None or any(
        isinstance(label, str) for c in categories.values() for label in c[:1]
    )
    labelled = of_frame and all(_encoded(labels) is not None for labels in categories.values())
    written = {f: _codes_written(labels, labelled) for f, labels in categories.items()}
    by_class = objective.name.startswith("multi:")
    types = ["c" if f in categories else "float" for f in range(n_features)]
    model = {
        "gbtree_model_param": {"num_trees": str(trees.n_trees), "num_parallel_tree": "1"},
        "iteration_indptr": list(range(0, trees.n_trees + 1, K)),
        "tree_info": trees.output.tolist(),
        "trees": _trees(trees, _with_rest(trees, rest), n_features, codes, written),
        "cats": _labels(categories if labelled else {}, n_features),
    }
    learner = {
        "attributes": {k: v if isinstance(v, str) else json.dumps(v) for k, v in attributes.items()},
        "feature_names": names or [],
        "feature_types": [] if names is None and not categories else types,
        "gradient_booster": {"model": model, "name": "gbtree"},
        "learner_model_param": {
            "base_score": scores,
            "boost_from_average": "1",
            "num_class": str(K) if by_class else "0",
            "num_feature": str(n_features),
            "num_target": "1" if by_class else str(K),
        },
        "objective": {"name": objective.name, **objective.parameters},
    }
    return {"learner": learner, "version": VERSION}


def _names_written(names):
    """The features' names, if XGBoost takes them all; with a warning about the first that it does not."""
    if names is None:
        return None
    names, seen = [str(name) for name in names], set()
    for name in names:
        if UNSPEAKABLE & set(name) or name in seen:
            warnings.warn(
                f"feature_names_in_ is left out of the file, for {name!r}: XGBoost takes no two names that "
                "are the same, and none with one of the characters [ ] <",
                UserWarning,
                stacklevel=4,  # the line that called to_xgboost_json
            )
            return None
        seen.add(name)
    return names


# --------------------------------------------------------------------------------------------------- numbers


def conditions_of(thresholds):
    """The float32 conditions with ``x < condition`` where ``x <= threshold``, for all x in float32.

    That is the least float32 above the largest one that is not above the threshold.
    """
    with np.errstate(all="ignore"):
        nearest = thresholds.astype(np.float32)
        below = np.where(nearest > thresholds, np.nextafter(nearest, np.float32(-np.inf)), nearest)
        return np.nextafter(below, np.float32(np.inf))


def margin_of(link, mean):
    """The raw prediction that XGBoost makes of a stated mean: computed in float32, as there."""
    mean = np.asarray(mean, np.float32)
    if link == "logit":
        tiny, one = np.float32(1e-6), np.float32(1.0)
        raw = -np.log(one / np.clip(mean, tiny, one - tiny) - one)
    else:
        raw = np.log(mean) if link == "log" else mean
    return raw.astype(np.float64)


def split_base(base, link):
    """`(base_score, rest)`: the text of one mean in float32, and what it does not say of the base.

    XGBoost before 3.1 has one mean for all outputs, and takes a list of them for something else, silently.
    """
    with np.errstate(all="ignore"):
        mean = MEAN[link](base).astype(np.float32)
        said = np.abs(margin_of(link, mean) - base) < FAR * np.maximum(1.0, np.abs(base))
    stated = mean[0] if said.all() and (mean == mean[0]).all() else np.float32(NEUTRAL[link])
    return str(stated), base - margin_of(link, stated)


def _with_rest(trees, rest):
    """The values of nodes, with what the base score does not say in the first tree of each output."""
    values = trees.value.copy()
    for k, more in enumerate(rest):
        first = int(np.argmax(trees.output == k))
        values[trees.starts[first] : trees.starts[first + 1]] += more
    return values


def _single(values):
    """As float32, without infinities."""
    return np.clip(np.nan_to_num(values), -LARGEST, LARGEST).astype(np.float32)


# ----------------------------------------------------------------------------------------------------- trees


def _trees(trees, values, n_features, codes, written):
    """The documents of all trees."""
    leaf = trees.left == LEAF
    beyond = np.flatnonzero(leaf & ~(np.abs(values) <= LARGEST))
    if beyond.size:
        t = np.searchsorted(trees.starts, beyond[0], side="right") - 1
        raise ValueError(f"tree {t}: a leaf's value, {values[beyond[0]]}, is beyond XGBoost's float32")
    conditions = np.where(trees.categorical, np.float32(0), conditions_of(trees.threshold))
    n = len(leaf)
    start = np.repeat(trees.starts[:-1], np.diff(trees.starts))
    parents = np.full(n, NOBODY)
    inner = np.flatnonzero(~leaf)
    for children in (trees.left, trees.right):
        parents[start[inner] + children[inner]] = inner - start[inner]
    arrays = {
        "base_weights": _single(values),
        "default_left": trees.missing_left.astype(np.int8),
        "left_children": trees.left,
        "loss_changes": _single(trees.gain),
        "parents": parents,
        "right_children": trees.right,
        "split_conditions": np.where(leaf, _single(values), conditions),
        "split_indices": np.where(leaf, 0, trees.feature),
        "split_type": trees.categorical.astype(np.int8),
        "sum_hessian": _single(trees.cover),
    }
    documents = []
    for t, (a, b) in enumerate(zip(trees.starts[:-1].tolist(), trees.starts[1:].tolist())):
        parameters = {"num_deleted": 0, "num_feature": n_features, "num_nodes": b - a, "size_leaf_vector": 1}
        documents.append(
            {name: array[a:b].tolist() for name, array in arrays.items()}
            | _splits_by_category(trees, a, b, codes, written)
            | {"id": t, "tree_param": {name: str(value) for name, value in parameters.items()}}
        )
    return documents


def _splits_by_category(trees, a, b, codes, written):
    """The codes that go right, one categorical node's behind the other's."""
    nodes = np.flatnonzero(trees.categorical[a:b])
    features = trees.feature[a + nodes].tolist()
    right = [
        _codes_right(trees.set[i], trees.missing_left[i], codes[f], written[f])
        for i, f in zip(a + nodes, features)
    ]
    for f, of_node in zip(features, right):
        if of_node[0] == NAMELESS:
            raise ValueError(
                f"feature {f}: a split sends codes right that the model before it did not know, and "
                "XGBoost's format cannot name them"
            )
    sizes = [len(of_node) for of_node in right]
    return {
        "categories": [code for of_node in right for code in of_node],
        "categories_nodes": nodes.tolist(),
        "categories_segments": np.cumsum([0, *sizes[:-1]]).tolist() if sizes else [],
        "categories_sizes": sizes,
    }


def _codes_right(words, missing_left, bins, written):
    """The codes that a node sends right, ascending; never none, which XGBoost does not foresee."""
    left = np.full(len(written), missing_left)  # those without rows go where missing values go
    bins = bins[: len(written)].astype(np.int64)
    left[: len(bins)] = (words[bins >> 6] >> (bins & 63).astype(np.uint64)) & np.uint64(1) == 1
    codes = np.sort(written[~left]).tolist()
    return codes or [int(written.max(initial=-1)) + 1]  # a code that nothing has


# ------------------------------------------------------------------------------------------------ categories


def _codes_written(labels, labelled):
    """The code of each category: its place, or the whole number that it is."""
    if not labelled and labels.dtype.kind in "iuf" and labels.size:
        with np.errstate(invalid="ignore"):
            whole = (labels >= 0) & (labels < MOST_CODES) & (labels == np.floor(labels))
        if whole.all():
            return labels.astype(np.int64)
    codes = np.arange(len(labels))
    if labels.size and labels[-1] is OTHERS:
        codes[-1] = NAMELESS
    return codes


def _encoded(labels):
    """The labels of a feature's categories as XGBoost keeps them, or None if it cannot.

    Strings that are not ASCII XGBoost 3.2 cuts: it counts characters where bytes are meant.
    """
    kinds = set(map(type, labels.tolist()))
    if kinds <= {str}:
        text = "".join(labels.tolist())
        if not text.isascii():
            return None
        return {"offsets": np.cumsum([0, *map(len, labels.tolist())]).tolist(), "values": list(text.encode())}
    if kinds == {int} and np.abs(labels.astype(np.float64)).max() < 2.0**63:
        return {"type": INT64, "values": labels.tolist()}
    return None


def _labels(categories, n_features):
    """The labels of all categories, and how they are sorted."""
    if not categories:
        return {"enc": [], "feature_segments": [], "sorted_idx": []}
    columns, sizes, order = [], [], []
    for f in range(n_features):
        labels = categories.get(f, np.empty(0, object)).tolist()
        columns.append(_encoded(categories[f]) if f in categories else {"offsets": [], "values": []})
        sizes.append(len(labels))
        order += sorted(range(len(labels)), key=labels.__getitem__)
    return {"enc": columns, "feature_segments": np.cumsum([0, *sizes]).tolist(), "sorted_idx": order}

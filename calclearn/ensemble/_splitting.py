r"""The best split of a node by one feature, from the sums of gradients and Hessians in its bins.

With :math:`G, H` the sums over a node's rows, the best weight of a leaf and what it is worth are

.. math:: w^* = -\frac{G}{H + \lambda}, \qquad \text{score} = \frac{G^2}{H + \lambda},

and a split gains what the scores of both sides have more than the node's (docs/derivations/boosting.md, (6)
to (8)).  Like XGBoost's, the gain here leaves out the half.
"""

import numpy as np

from .._runtime.jit import inlined, inner

ROUNDING = 1e-11  # of the scores: less is no gain
LANES = 8  # numbers of 64 bits that a processor may handle at once
SMOOTH = 10.0  # rows: added to a category's Hessian where categories are put in order; with fewer it is not
NAMED = (
    32  # categories that a split may tell from all others: what extremes of many are worth is mostly chance
)


@inner
def weight(G, H, lower, upper, t):
    r"""The best weight of a leaf: :math:`-T_\alpha(G)/(H + \lambda)`, within its bounds."""
    bend = H + t.reg_lambda
    if not bend > 0.0:
        return min(max(0.0, lower), upper)
    w = -(np.sign(G) * max(abs(G) - t.reg_alpha, 0.0)) / bend
    if t.max_delta_step > 0.0:
        w = min(max(w, -t.max_delta_step), t.max_delta_step)
    return min(max(w, lower), upper)


@inner
def score(G, H, w, t):
    """Twice what the weight `w` takes off the objective."""
    return -(2.0 * G * w + (H + t.reg_lambda) * w * w + 2.0 * t.reg_alpha * abs(w))


@inner
def parent_score(G, H, lower, upper, t):
    """The score of a node that stays a leaf."""
    if t.plain:
        return G * G / (H + t.reg_lambda) if H + t.reg_lambda > 0.0 else 0.0
    return score(G, H, weight(G, H, lower, upper, t), t)


@inlined
def best_in_order(cumulated, m, named, missing, totals, direction, lower, upper, t, best_before, scores):
    """The best place to cut a sequence of bins in two, and the side for missing values.

    Parameters
    ----------
    cumulated : ndarray of int64, shape (3, at least 256)
        G, H and number of rows of the bins up to each, in order; the last where `min_child_samples` is
        more than 1.
    m : int
        How many bins there are, the one of missing values left out.
    named : int
        How many bins at most may be on the side without missing values.
    missing, totals : tuple of three int64
        G, H and number of rows: of those with missing values, and of the node.
    direction : int
        -1, 0 or 1: how the right side's weight must compare with the left one's.
    lower, upper : float
        Bounds of the weights.
    t : Tree
        For its rules.
    best_before : float
        The sum of scores that has to be beaten.
    scores : ndarray of float64, shape (at least 256,)
        Memory to work in.

    Returns
    -------
    (scores, last, missing_left, G, H)
        Sum of the scores of both sides, `best_before` if there is nothing better; the last bin that goes
        left; whether missing values do; sums of the left side.
    """
    best, last, missing_left = best_before, -1, False
    best_G, best_H = np.int64(0), np.int64(0)
    # cut k puts bins 0..k to the left; behind all of them, missing values alone are on the other side
    has_missing = missing[1] != 0 or missing[0] != 0 or missing[2] != 0
    for side in range(2 if has_missing or m > named + 1 else 1):
        with_left = missing if side == 1 else (np.int64(0), np.int64(0), np.int64(0))
        first, n_cuts = (
            (max(0, m - 1 - named), m - 1) if side == 1 else (0, min(named, m if has_missing else m - 1))
        )
        if t.plain and t.min_child_samples <= 1:
            if not _plain_scores(cumulated, n_cuts, with_left, totals, t, scores) > best:
                continue
        else:
            _general_scores(cumulated, n_cuts, with_left, totals, direction, lower, upper, t, scores)
        for k in range(first, n_cuts):
            if scores[k] > best:
                best, last, missing_left = scores[k], k, side == 1
    if last >= 0:
        best_G, best_H = cumulated[0, last], cumulated[1, last]
        if missing_left:
            best_G, best_H = best_G + missing[0], best_H + missing[1]
        if not has_missing:  # nothing to learn from: with the larger part
            missing_left = 2 * best_H >= totals[1]
    return best, last, missing_left, best_G, best_H


@inlined
def _plain_scores(cumulated, n_cuts, with_left, totals, t, scores):
    """Both sides' G²/(H + λ) for each cut, in a loop that vectorises; -inf where a side is too light.

    Both over one denominator: divisions are what takes the time.  The loop goes on to a multiple of `LANES`,
    as the bins that are left over would be done one by one.  Returns the largest, 0 if there is none: floats
    that are not negative are in the order of their bits, of which the processor knows the maximum.
    """
    G_left, H_left = cumulated[0], cumulated[1]
    G_missing, H_missing, G_all, H_all = with_left[0], with_left[1], totals[0], totals[1]
    unit_g, unit_h, reg_lambda, least = t.unit_g, t.unit_h, t.reg_lambda, t.min_child_weight
    top = np.int64(0)
    for k in range((n_cuts + LANES - 1) & -LANES):
        G, H = G_left[k] + G_missing, H_left[k] + H_missing
        GL, HL, GR, HR = unit_g * G, unit_h * H, unit_g * (G_all - G), unit_h * (H_all - H)
        left, right = HL + reg_lambda, HR + reg_lambda
        allowed = (least <= HL) & (least <= HR) & (left > 0.0) & (right > 0.0) & (k < n_cuts)
        both = (GL * GL * right + GR * GR * left) / (left * right) if allowed else -np.inf
        scores[k] = both
        bits = np.float64(both).view(np.int64)
        top = max(top, bits)
    largest = np.int64(top)
    return largest.view(np.float64)


@inner
def _general_scores(cumulated, n_cuts, with_left, totals, direction, lower, upper, t, scores):
    """The same with all the rules."""
    counted = t.min_child_samples > 1
    for k in range(n_cuts):
        scores[k] = -np.inf
        if counted:
            n = cumulated[2, k] + with_left[2]
            if min(n, totals[2] - n) < t.min_child_samples:
                continue
        G, H = cumulated[0, k] + with_left[0], cumulated[1, k] + with_left[1]
        GL, HL = t.unit_g * G, t.unit_h * H
        GR, HR = t.unit_g * (totals[0] - G), t.unit_h * (totals[1] - H)
        if min(HL, HR) < t.min_child_weight or not min(HL, HR) + t.reg_lambda > 0.0:
            continue
        left = weight(GL, HL, lower, upper, t)
        right = weight(GR, HR, lower, upper, t)
        if direction * (right - left) < 0.0:
            continue
        scores[k] = score(GL, HL, left, t) + score(GR, HR, right, t)


@inner
def order_categories(sums, m, smooth, t, order, key):
    """Put bins in the order of their G/(H + smooth), in which some cut is the best split of all sets.

    Fisher (1958), "On grouping for maximum homogeneity".  Fills `order[:m]`; equal keys keep their order.
    """
    for k in range(m):
        bend = t.unit_h * sums[k, 1] + smooth
        key[k] = t.unit_g * sums[k, 0] / bend if bend > 0.0 else 0.0
        order[k] = k
    for k in range(1, m):  # few, and often sorted already: by insertion
        item = order[k]
        j = k
        while j > 0 and key[order[j - 1]] > key[item]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = item

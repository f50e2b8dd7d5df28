r"""The best split of a node by one feature, from the sums of gradients and Hessians in its bins.

With :math:`G, H` the sums over a node's rows, the best weight of a leaf and what it is worth are

.. math:: w^* = -\frac{G}{H + \lambda}, \qquad \text{score} = \frac{G^2}{H + \lambda},

and a split gains what the scores of both sides have more than the node's (docs/derivations/boosting.md, (6)
to (8)).  Like XGBoost's, the gain here leaves out the half.
"""

import numpy as np

from .._runtime.jit import inner

ROUNDING = 1e-11  # of the scores: less is no gain
SMOOTH = 10.0  # rows: added to a category's Hessian where categories are put in order; with fewer it is not


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


@inner
def best_in_order(g, h, count, m, missing, totals, direction, lower, upper, t, best_before, scratch):
    """The best place to cut a sequence of bins in two, and the side for missing values.

    Parameters
    ----------
    g, h, count : ndarray of int64
        Sums in the bins, in order; `count` is looked at where `min_child_samples` is more than 1.
    m : int
        How many bins there are, the one of missing values left out.
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
    scratch : ndarray of float64, shape (3, at least 256)

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
    for side in range(2 if has_missing else 1):
        of_missing = missing if side == 1 else (np.int64(0), np.int64(0), np.int64(0))
        n_cuts = m if has_missing and side == 0 else m - 1
        if t.plain and t.min_child_samples <= 1:
            _plain_scores(g, h, n_cuts, of_missing, totals, t, scratch)
        else:
            _general_scores(g, h, count, n_cuts, of_missing, totals, direction, lower, upper, t, scratch)
        scores = scratch[2]
        for k in range(n_cuts):
            if scores[k] > best:
                best, last, missing_left = scores[k], k, side == 1
    if last >= 0:  # in scratch, sums beyond 2**53 are rounded: they are added up again
        if missing_left:
            best_G, best_H = missing[0], missing[1]
        for k in range(last + 1):
            best_G += g[k]
            best_H += h[k]
        if not has_missing:  # nothing to learn from: with the larger part
            missing_left = 2 * best_H >= totals[1]
    return best, last, missing_left, best_G, best_H


@inner
def _plain_scores(g, h, n_cuts, of_missing, totals, t, scratch):
    """Both sides' G²/(H + λ) for each cut, in loops that vectorise; -inf where a side is too light."""
    G_left, H_left, scores = scratch[0], scratch[1], scratch[2]
    G, H = of_missing[0], of_missing[1]
    for k in range(n_cuts):
        G += g[k]
        H += h[k]
        G_left[k], H_left[k] = G, H
    unit_g, unit_h, reg_lambda = t.unit_g, t.unit_h, t.reg_lambda
    least, G_all, H_all = t.min_child_weight, np.float64(totals[0]), np.float64(totals[1])
    for k in range(n_cuts):
        GL, HL = unit_g * G_left[k], unit_h * H_left[k]
        GR, HR = unit_g * (G_all - G_left[k]), unit_h * (H_all - H_left[k])
        left, right = HL + reg_lambda, HR + reg_lambda
        allowed = (least <= HL) & (least <= HR) & (left > 0.0) & (right > 0.0)
        scores[k] = GL * GL / left + GR * GR / right if allowed else -np.inf


@inner
def _general_scores(g, h, count, n_cuts, of_missing, totals, direction, lower, upper, t, scratch):
    """The same with all the t."""
    G_left, H_left, scores = scratch[0], scratch[1], scratch[2]
    G, H, n = of_missing
    counted = t.min_child_samples > 1
    for k in range(n_cuts):
        G += g[k]
        H += h[k]
        G_left[k], H_left[k] = G, H
        scores[k] = -np.inf
        if counted:
            n += count[k]
            if min(n, totals[2] - n) < t.min_child_samples:
                continue
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
def order_categories(g, h, m, smooth, t, order, key):
    """Put bins in the order of their G/(H + smooth), in which some cut is the best split of all sets.

    Fisher (1958), "On grouping for maximum homogeneity".  Fills `order[:m]`; equal keys keep their order.
    """
    for k in range(m):
        bend = t.unit_h * h[k] + smooth
        key[k] = t.unit_g * g[k] / bend if bend > 0.0 else 0.0
        order[k] = k
    for k in range(1, m):  # few, and often sorted already: by insertion
        item = order[k]
        j = k
        while j > 0 and key[order[j - 1]] > key[item]:
            order[j] = order[j - 1]
            j -= 1
        order[j] = item

"""Networks for tables beside others, with everybody's defaults: scores on the data sets of scikit-learn.

Reported as it is: there is no promise.  Each data set is split at random ten times, three quarters to fit;
who needs scaled columns, or a scaled target, gets them.
"""

import statistics
import time

import numpy as np

from .peers import OURS

SPLITS = 10
HELD_OUT = 0.25
DATA = ("iris", "wine", "breast_cancer", "digits", "diabetes")


def data(name):
    """Return X, y and whether y holds numbers."""
    from sklearn import datasets

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return X, y, name == "diabetes"


def contestants(numbers, seed):
    """Return who is compared, unfitted, by name."""
    from sklearn.compose import TransformedTargetRegressor
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from calclearn.ensemble import NewtonBoostingClassifier, NewtonBoostingRegressor
    from calclearn.linear_model import LogisticRegression, Ridge
    from calclearn.neural_network import TabularMLPClassifier, TabularMLPRegressor

    if numbers:
        network = TransformedTargetRegressor(MLPRegressor(random_state=seed), transformer=StandardScaler())
        ours, trees, linear = TabularMLPRegressor(random_state=seed), NewtonBoostingRegressor(), Ridge()
    else:
        network = MLPClassifier(random_state=seed)
        ours, trees = TabularMLPClassifier(random_state=seed), NewtonBoostingClassifier()
        linear = LogisticRegression()
    return {
        OURS: ours,
        "scikit-learn MLP": make_pipeline(StandardScaler(), network),
        "our boosting": trees,
        "our linear model": make_pipeline(StandardScaler(), linear),
    }


def compare(options, names=DATA):
    """Return, by data set and name, the mean score, the mean rank over the splits, and the median seconds."""
    from sklearn.model_selection import train_test_split

    found = {}
    for name in names:
        X, y, numbers = data(name)
        scores, seconds = [], []
        for seed in range(max(1, round(SPLITS * options.scale))):
            stratify = None if numbers else y
            fit_X, X_held, fit_y, y_held = train_test_split(
                X, y, test_size=HELD_OUT, random_state=seed, stratify=stratify
            )
            models = contestants(numbers, seed)
            began = [time.perf_counter()]
            for model in models.values():
                model.fit(fit_X, fit_y)
                began.append(time.perf_counter())
            scores.append([model.score(X_held, y_held) for model in models.values()])
            seconds.append(np.diff(began))
        found[name] = {
            contestant: {
                "score": statistics.mean(row[k] for row in scores),
                "rank": statistics.mean(rank(row, k) for row in scores),
                "seconds": statistics.median(row[k] for row in seconds),
            }
            for k, contestant in enumerate(models)
        }
    return found


def rank(scores, k):
    """Return the place of the k-th of some scores, from 1; those that are alike share the mean of theirs."""
    above = sum(score > scores[k] for score in scores)
    return above + (1 + sum(score == scores[k] for score in scores)) / 2

"""Reading fitted trees: contributions of the features, the nodes as a frame, importances."""

import numpy as np
import scipy.sparse
from sklearn.utils.validation import check_is_fitted

from ..base import thread_count
from ._explaining import contributions
from ._layout import LEAF

IMPORTANCES = ("gain", "weight", "cover", "total_gain", "total_cover")


class Readable:
    """What a fitted estimator tells of its trees; a mixin."""

    def predict_contributions(self, X):
        r"""How much each feature contributes to each raw prediction: exact SHAP values.

        The values are those of the path-dependent TreeSHAP: of a feature that is left out, the row goes both
        ways at each split, in the shares of the training rows' Hessians on either side.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (n_samples, n_features)

        Returns
        -------
        contributions : ndarray of float64, shape (n_samples, [n_outputs,] n_features + 1)
            In the units of the raw prediction: for the log loss these are log odds.  The last column is the
            base value, the mean prediction in those shares; the sum over the last axis is the raw prediction.

        References
        ----------
        S. M. Lundberg, G. G. Erion, S.-I. Lee, "Consistent Individualized Feature Attribution for Tree
        Ensembles", arXiv:1802.03888, 2018.
        """
        check_is_fitted(self)
        X = self._features(X, reset=False)
        phi = contributions(
            self._kept(),
            self._codes,
            X.tocsr() if scipy.sparse.issparse(X) else X,
            self.base_,
            self._n_outputs,
            self.n_features_in_,
            thread_count(self.n_jobs),
        )
        return phi[:, 0] if self._n_outputs == 1 else phi

    def trees_to_dataframe(self):
        """The nodes of the trees that predictions use, as a pandas frame.

        Returns
        -------
        frame : pandas.DataFrame
            A row for each node, with the columns

            - ``tree``, ``output``: the tree's index, and that of the output that it adds to;
            - ``node``, ``depth``: the node's index in its tree, as `apply` returns it, and how many splits
              are above it;
            - ``feature``: the name of the feature that the node splits by, or "x" and its index where there
              are no names;
            - ``threshold``: values up to it go left; NaN where ``categories``, a tuple, says what goes left;
            - ``left``, ``right``, ``missing``: the indices of the children, and of the one where missing
              values and unseen categories go;
            - ``gain``: of the split; ``cover``: the sum of Hessians; ``count``: the number of training rows;
            - ``value``: what a leaf adds to the raw prediction; for other nodes what they would as leaves.

            What a leaf does not have is missing.

        Raises
        ------
        ImportError
            Where pandas is not installed.
        """
        check_is_fitted(self)
        try:
            import pandas
        except ImportError as error:
            raise ImportError("trees_to_dataframe needs pandas, which is not installed") from error
        trees = self._kept()
        sizes, leaf = np.diff(trees.starts), trees.left == LEAF
        names = np.asarray([*self._names(), None], object)

        columns = {
            "tree": np.repeat(np.arange(trees.n_trees), sizes),
            "output": np.repeat(trees.output, sizes).astype(np.int64),
            "node": np.concatenate([np.arange(size) for size in sizes]),
            "depth": trees.depths().astype(np.int64),
            "feature": names[np.where(leaf, LEAF, trees.feature)],
            "threshold": np.where(leaf | trees.categorical, np.nan, trees.threshold),
            "categories": pandas.Series(self._sets(trees), dtype=object),
        }
        missing = np.where(trees.missing_left, trees.left, trees.right)
        for name, index in (("left", trees.left), ("right", trees.right), ("missing", missing)):
            columns[name] = pandas.Series(index, dtype="Int64").mask(leaf)
        columns |= {
            "gain": np.where(leaf, np.nan, trees.gain),
            "cover": trees.cover,
            "count": trees.count,
            "value": trees.value,
        }
        return pandas.DataFrame(columns)

    def _names(self):
        """A name for each feature."""
        numbered = [f"x{f}" for f in range(self.n_features_in_)]
        return [str(name) for name in getattr(self, "feature_names_in_", numbered)]

    def _sets(self, trees):
        """Of each node the categories that go left, or None."""
        sets = np.full(len(trees.feature), None, object)
        for node in np.flatnonzero(trees.categorical & (trees.left != LEAF)):
            f = int(trees.feature[node])
            bins = np.asarray(self._codes[f], np.int64)  # up to the last category that has rows
            goes_left = (trees.set[node, bins >> 6] >> (bins & 63).astype(np.uint64)) & np.uint64(1) == 1
            sets[node] = tuple(np.asarray(self.categories_[f])[: len(bins)][goes_left].tolist())
        return sets

    @property
    def feature_importances_(self):
        """Importance of each feature, of the kind `importance_type`; the sum is 1."""
        importance = self.importances(self.importance_type)
        total = importance.sum()
        return importance / total if total > 0 else importance

    def importances(self, importance_type="gain"):
        """How much each feature was used.

        Parameters
        ----------
        importance_type : {"gain", "weight", "cover", "total_gain", "total_cover"}, default="gain"
            Mean gain of the feature's splits; their number; their mean cover (sum of Hessians); the sums.

        Returns
        -------
        importances : ndarray of float64, shape (n_features,)
            Zero for a feature that no tree splits by.

        Raises
        ------
        ValueError
            For another type.
        """
        check_is_fitted(self)
        if importance_type not in IMPORTANCES:
            raise ValueError(f"importance_type must be one of {IMPORTANCES}, got {importance_type!r}")
        trees = self._kept()
        inner = trees.feature != LEAF
        feature, p = trees.feature[inner], self.n_features_in_
        times = np.bincount(feature, minlength=p).astype(np.float64)
        if importance_type == "weight":
            return times
        what = trees.gain if importance_type.endswith("gain") else trees.cover
        total = np.bincount(feature, what[inner], minlength=p)
        return total if importance_type.startswith("total") else total / np.maximum(times, 1.0)

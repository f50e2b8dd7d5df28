"""The path of Newton's method on Rosenbrock's function, and how fast two methods descend."""

import matplotlib.pyplot as plt
from scipy.optimize import minimize, rosen, rosen_der, rosen_hess

from calclearn.inspection import ConvergenceDisplay, LossSurfaceDisplay
from calclearn.optimize import LBFGS, Newton

start, path = [-1.2, 1.0], {"return_path": True}
results = {
    "Newton": minimize(rosen, start, jac=rosen_der, hess=rosen_hess, method=Newton(), options=path),
    "L-BFGS": minimize(rosen, start, jac=rosen_der, method=LBFGS(), options=path),
}
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.6), layout="constrained")
LossSurfaceDisplay.from_function(rosen, path=results["Newton"], ax=left, colorbar=False)
ConvergenceDisplay.from_result(results, quantity="gap", minimum=0.0, ax=right)

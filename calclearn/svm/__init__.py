"""Support vector machines through the Lagrangian dual."""

from ._bounds import l1_min_c
from ._linear_svc import LinearSVC
from ._linear_svr import LinearSVR
from ._nu_svc import NuSVC
from ._nu_svr import NuSVR
from ._one_class import OneClassSVM
from ._svc import SVC
from ._svr import SVR

__all__ = ["SVC", "SVR", "LinearSVC", "LinearSVR", "NuSVC", "NuSVR", "OneClassSVM", "l1_min_c"]

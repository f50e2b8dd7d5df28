"""calclearn beside its peers: the same data, the same objective, the same threads.  See README.md."""

THREADS = 2  # for everybody: BLAS, OpenMP, oneDAL and ours

ENVIRONMENT = {
    name: str(THREADS)
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
}

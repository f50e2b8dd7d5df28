"""How compiled code runs: kernels and their disk cache, threads, elementary functions, compiled formulas.

Nothing here knows any mathematics of learning, and everything else may import it.
"""

"""What linear models minimise: a loss of X w + b plus a penalty, over dense and sparse X."""

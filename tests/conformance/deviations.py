"""Where scikit-learn's own tests fail with our classes, and why: a reviewed list.

A key is `module::test`, with or without its parameters in brackets; without, it stands for all of them.
`PRIVATE` holds tests that assert or replace what is private in scikit-learn: no other implementation can
pass them.  `OTHER` holds the rest, each of which is a difference for the user, and has to have a reason
that the user would accept.
"""

PRIVATE: dict[str, str] = {}

OTHER: dict[str, str] = {}

"""What stands between the columns of a table and the first dense layer: embeddings.

The columns come in this order: numbers, that are embedded by waves of them; numbers that are inputs as they
are, such as indicators; and codes of categories, each with a table of its own.

Derivation: docs/derivations/backpropagation.md, equations (24) and (26) to (29).
"""

import dataclasses

import numpy as np

from . import _instructions as instructions
from ._instructions import COLUMN, COLUMNS, IN, KEPT, N_IN, N_OUT, OUT, PLACE, WAVES, WEIGHTS, WIDTH

DEVIATION = 0.1  # of the frequencies before the first step: most waves begin slow


@dataclasses.dataclass(frozen=True)
class Inputs:
    """The columns of a table.

    Parameters
    ----------
    n_numbers : int
        Numbers that are embedded.
    n_plain : int
        Numbers that are not.
    levels : tuple of int
        For each column of codes, how many there are.
    waves : int
        Of each number; 0 for none.
    width : int
        Combinations of its waves that stand beside a number.
    code_width : int
        Numbers that stand for a code.
    """

    n_numbers: int
    n_plain: int
    levels: tuple[int, ...] = ()
    waves: int = 16
    width: int = 3
    code_width: int = 8

    @property
    def columns(self) -> int:
        """Of the table."""
        return self.n_numbers + self.n_plain + len(self.levels)

    @property
    def n_embedded(self) -> int:
        """Inputs of the first dense layer."""
        each = 1 + (self.width if self.waves else 0)
        return self.n_numbers * each + self.n_plain + len(self.levels) * self.code_width

    @property
    def has_waves(self) -> bool:
        return self.waves > 0 and self.n_numbers > 0

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """Of the parameters."""
        n, waves = self.n_numbers, self.n_numbers * self.waves
        of_numbers = [(n, self.waves), (n, self.waves), (waves, self.width), (n, self.width)]
        return [*(of_numbers if self.has_waves else []), *((k, self.code_width) for k in self.levels)]

    def write(self, to, starts, block, training) -> int:
        """Add the instructions to a program; where in the buffers the embedded columns are.

        Parameters
        ----------
        to : _Writer
        starts : ndarray of int64
            Where in the flat vector the parameters begin.
        block : int
            Where in the buffers the columns are.
        training : bool
        """
        outputs = to.room(to.rows * self.n_embedded)
        shared = {N_IN: self.columns, N_OUT: self.n_embedded, IN: block, OUT: outputs}
        plain, place, starts = 0, 0, list(starts)
        if self.has_waves:
            entries = {COLUMNS: self.n_numbers, WAVES: self.waves, WIDTH: self.width, WEIGHTS: starts[0]}
            entries[KEPT] = to.room(2 * to.rows * self.n_numbers * self.waves)
            back = instructions.embed_numbers_back if training else None
            to.add(instructions.embed_numbers, back, shared | entries)
            plain, place, starts = self.n_numbers, self.n_numbers * (1 + self.width), starts[4:]
        count = self.n_numbers + self.n_plain - plain
        if count:
            to.add(instructions.pass_on, None, shared | {COLUMN: plain, COLUMNS: count, PLACE: place})
        place += count
        for k, levels in enumerate(self.levels):
            entries = {COLUMN: plain + count + k, COLUMNS: levels, PLACE: place, WIDTH: self.code_width}
            entries[WEIGHTS] = starts[k]
            back = instructions.embed_codes_back if training else None
            to.add(instructions.embed_codes, back, shared | entries)
            place += self.code_width
        return outputs

    def draw(self, parameters, random_state) -> None:
        """Set the parameters before the first step."""
        if self.has_waves:
            frequencies, phases, weights, bias = parameters[:4]
            frequencies[:] = DEVIATION * random_state.standard_normal(frequencies.shape)
            phases[:] = random_state.uniform(-0.5, 0.5, phases.shape)
            weights[:] = random_state.standard_normal(weights.shape) / np.sqrt(self.waves)
            bias[:] = 0.0
            parameters = parameters[4:]
        for table in parameters:
            table[:] = random_state.standard_normal(table.shape) / np.sqrt(self.code_width)

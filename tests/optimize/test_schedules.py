"""Schedules at their corners, and what they do to a descent."""

import pickle
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.testing import assert_allclose

from calclearn.optimize import descend, descend_in_batches
from calclearn.optimize.rules import Adam, GradientDescent, Lion
from calclearn.optimize.schedules import (
    Adaptive,
    Constant,
    Cosine,
    InverseScaling,
    OneCycle,
    Schedule,
    Step,
    Warmup,
    get_schedule,
)
from calclearn.optimize.schedules._contract import REGISTRY

SCHEDULES = [
    Constant(),
    Step(every=3, ratio=0.1),
    InverseScaling(power=0.7),
    Cosine(last=0.1),
    OneCycle(),
    Warmup("cosine", share=0.2),
    Warmup(Adaptive()),
    Adaptive(),
]


class Recorder:
    """Half the squared norm; the learning rate of a step is how far x moves, over x."""

    def value_gradient(self, x):
        return 0.5 * float(x @ x), x

    def gradient_of_batch(self, x, rows):
        return x


def rates(schedule, n, **keywords):
    """The rates of `n` steps of gradient descent on half the squared norm."""
    path = [np.array([1.0])]
    descend(
        Recorder(),
        path[0],
        GradientDescent(learning_rate=0.1),
        schedule=schedule,
        max_iter=n,
        tol=0.0,
        progress=lambda i, value, x: path.append(x),
        **keywords,
    )
    x = np.concatenate(path)
    return 1.0 - x[1:] / x[:-1]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_the_rate_of_a_step_is_the_rules_times_the_factor(schedule):
    expected = [0.1 * schedule.factor(time, 20) for time in range(20)]
    if isinstance(getattr(schedule, "after", schedule), Adaptive):  # nothing is idle here for ten steps
        assert isinstance(schedule, Warmup) or expected == [0.1] * 20
    assert_allclose(rates(schedule, 20), expected, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_factors_lie_between_nothing_and_the_whole_also_beyond_the_end(schedule):
    times = np.linspace(0.0, 150.0, 301)
    factors = np.array([schedule.factor(time, 100) for time in times])
    assert (factors >= 0.0).all()
    assert (factors <= 1.0 + 1e-15).all()
    beyond = [schedule.factor(time, 100) for time in (100.0, 1e6)]
    if not isinstance(schedule, (Step, InverseScaling)):
        assert beyond[0] == beyond[1]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
def test_schedules_are_values(schedule):
    assert pickle.loads(pickle.dumps(schedule)) == schedule
    assert get_schedule(schedule) is schedule
    assert eval(repr(schedule)) == schedule


def test_names_are_those_of_the_table():
    names = ["adaptive", "constant", "cosine", "invscaling", "one_cycle", "step", "warmup"]
    assert sorted(REGISTRY) == names
    assert all(get_schedule(name).name == name for name in names)
    assert get_schedule(None) == Constant()
    assert get_schedule("step", every=5) == Step(every=5)


def test_a_cosine_and_a_cycle_meet_their_ends():
    assert_allclose([Cosine(last=0.2).factor(t, 10) for t in (0, 5, 10)], [1.0, 0.6, 0.2])
    cycle = OneCycle(rise=0.3, first=0.1, last=0.01)
    assert_allclose([cycle.factor(t, 100) for t in (0, 15, 30, 65, 100)], [0.1, 0.55, 1.0, 0.505, 0.01])
    assert OneCycle(rise=1.0).factor(99.999, 100) == pytest.approx(1.0)


def test_a_warm_up_hands_over_where_it_ends():
    schedule = Warmup(Step(every=10, ratio=0.5), share=0.25, first=0.2)
    assert_allclose([schedule.factor(t, 40) for t in (0, 5, 10, 19, 20)], [0.2, 0.6, 1.0, 1.0, 0.5])


def told(schedule, losses, total=None):
    """The factor after each loss."""
    clock = schedule.start(total)
    factors = []
    for time, loss in enumerate(losses):
        clock.tell(loss)
        factors.append(clock.factor(time))
    return factors


def test_on_a_plateau_the_rate_falls_after_its_patience_and_not_below_its_least():
    """Equation (20): an idle iteration is one that is not below the best so far by more than tol."""
    schedule = Adaptive(ratio=0.1, patience=2, tol=0.5, least=0.05)
    assert told(schedule, [3.0, 2.8, 2.6]) == [1.0, 1.0, 0.1]
    assert told(schedule, [3.0, 2.0, 1.0, 0.0]) == [1.0] * 4
    assert told(schedule, [1.0] * 9)[-1] == 0.05
    assert told(schedule, [1.0, np.nan, np.nan]) == [1.0, 1.0, 0.1]
    clock = schedule.start()
    assert not clock.at_least
    for _ in range(5):
        clock.tell(1.0)
    assert (clock.n_falls, clock.at_least) == (2, True)


def test_a_warm_up_passes_the_loss_on_when_it_is_over():
    """While the rate is low the loss hardly falls, which is no plateau."""
    for length in (1, 5):
        schedule = Warmup(Adaptive(ratio=0.5, patience=3), share=length / 20)
        factors = told(schedule, [1.0] * (length + 8), total=20)
        assert factors[length:] == [1.0] * 3 + [0.5] * 3 + [0.25] * 2


def test_a_plateau_of_a_descent_is_noticed():
    """Lion ends up swinging, one step wide; each plateau makes the step shorter."""
    schedule = Adaptive(ratio=0.5, patience=15, tol=0.0, least=1e-9)
    swinging = descend(Recorder(), [1.05, -0.33], Lion(0.1), max_iter=800)
    falling = descend(Recorder(), [1.05, -0.33], Lion(0.1), max_iter=800, schedule=schedule)
    assert swinging.value > 1e-4
    assert falling.value < 1e-8


def test_time_goes_on_inside_an_epoch():
    """Four batches an epoch: the clock of two epochs reads 0, ¼, ½, ..., 1¾."""
    seen = []

    @dataclass(frozen=True)
    class Seen(Schedule):
        def factor(self, time, total=None):
            seen.append((time, total))
            return 1.0

    descend_in_batches(
        Recorder(),
        [1.0],
        Adam(),
        n_rows=7,
        batch_size=2,
        max_epochs=2,
        schedule=Seen(),
        rng=np.random.default_rng(0),
    )
    assert seen == [(k / 4, 2) for k in range(8)]


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Step(every=0), ValueError, r"Step: every must be a number above 0\.0, got 0"),
        (lambda: Step(ratio=1.5), ValueError, r"Step: ratio must be .* and at most 1\.0, got 1\.5"),
        (lambda: InverseScaling(-1), ValueError, r"InverseScaling: power must be a number of at least 0\.0"),
        (lambda: Cosine("0"), ValueError, "Cosine: last must be a number .* got '0'"),
        (lambda: OneCycle(rise=np.nan), ValueError, "OneCycle: rise must be a number .* got nan"),
        (lambda: Warmup(share=0), ValueError, "Warmup: share must be a number above"),
        (lambda: Warmup("later"), ValueError, "schedule is 'later'; the known ones are"),
        (lambda: Adaptive(ratio=1), ValueError, r"Adaptive: ratio must .* below 1\.0, got 1"),
        (lambda: Adaptive(patience=0), ValueError, "Adaptive: patience must be an integer of at least 1"),
        (lambda: Cosine().factor(1), ValueError, "Cosine needs to know how many iterations there will be"),
        (lambda: Warmup().start(), ValueError, "Warmup needs to know how many iterations"),
        (lambda: get_schedule(Cosine), TypeError, r"write Cosine\(\) instead of Cosine"),
        (lambda: get_schedule(3.0), TypeError, "schedule must be a name or a Schedule, got 3.0"),
        (lambda: get_schedule(Cosine(), last=1), TypeError, "has its parameters already"),
        (lambda: Schedule().factor(0), NotImplementedError, r"Schedule must define factor\(time, total\)"),
    ],
)
def test_what_is_wrong_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf, None, "1", np.ones(2)])
def test_a_schedule_that_answers_no_factor_is_named(factor):
    class Odd(Schedule):
        def factor(self, time, total=None):
            return factor

        def __repr__(self):
            return "Odd()"

    with pytest.raises(ValueError, match=r"Odd\(\): factor must be a number of at least 0, got "):
        descend(Recorder(), [1.0], "adam", schedule=Odd())


def test_a_constant_of_integers_is_a_factor():
    class Whole(Schedule):
        def factor(self, time, total=None):
            return np.int64(1)

    plain = descend(Recorder(), [1.0], "adam", max_iter=5)
    assert descend(Recorder(), [1.0], "adam", max_iter=5, schedule=Whole()).x == plain.x

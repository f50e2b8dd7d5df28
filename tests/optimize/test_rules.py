"""Update rules against their formulas written out in NumPy, interpreted and compiled."""

import dataclasses
import pickle
from typing import ClassVar

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from calclearn._runtime.formulas import FormulaError
from calclearn.optimize.rules import (
    Adagrad,
    Adam,
    AdamW,
    AMSGrad,
    GradientDescent,
    Lion,
    Momentum,
    NAdam,
    Nesterov,
    RMSprop,
    UpdateRule,
    apply,
    get_rule,
    update_rule,
)
from calclearn.optimize.rules._apply import ALONE, update_all
from calclearn.optimize.rules._contract import REGISTRY

STEPS = 100


def rates(rule):
    return rule.learning_rate / (1 + rule.decay * np.arange(STEPS))


def running_mean(beta, gradients):
    """The mean of the gradients so far with weights that fall by beta from one to the one before; by step."""
    means = []
    for t in range(1, len(gradients) + 1):
        weight = beta ** np.arange(t - 1, -1, -1.0)
        means.append(np.average(gradients[:t], axis=0, weights=weight))
    return np.array(means)


def gradient_descent_steps(rule, gradients):
    return -rates(rule)[:, None] * gradients


def momentum_steps(rule, gradients):
    """Step t takes each gradient s again, times the momentum to the power of t - s."""
    t, s = np.mgrid[:STEPS, :STEPS]
    again = np.where(s <= t, rule.momentum ** np.maximum(t - s, 0.0), 0.0)
    return -again @ (rates(rule)[:, None] * gradients)


def adam_steps(rule, gradients):
    mean, square = running_mean(rule.beta_1, gradients), running_mean(rule.beta_2, gradients**2)
    return -rates(rule)[:, None] * mean / (np.sqrt(square) + rule.epsilon)


def nesterov_steps(rule, gradients):
    """The iterates are those of momentum, looked at ahead by the momentum times the velocity."""
    velocity = np.diff(np.cumsum(momentum_steps(rule, gradients), axis=0), axis=0, prepend=0.0)
    ahead = np.cumsum(velocity, axis=0) + rule.momentum * velocity
    return np.diff(ahead, axis=0, prepend=0.0)


def rmsprop_steps(rule, gradients):
    t = np.arange(1, STEPS + 1)[:, None]
    square = (1 - rule.beta**t) * running_mean(rule.beta, gradients**2)
    return -rates(rule)[:, None] * gradients / (np.sqrt(square) + rule.epsilon)


def adagrad_steps(rule, gradients):
    size = np.sqrt(np.cumsum(gradients**2, axis=0))
    return -rates(rule)[:, None] * gradients / (size + rule.epsilon)


def amsgrad_steps(rule, gradients):
    t = np.arange(1, STEPS + 1)[:, None]
    mean = running_mean(rule.beta_1, gradients)
    largest = np.maximum.accumulate((1 - rule.beta_2**t) * running_mean(rule.beta_2, gradients**2))
    return -rates(rule)[:, None] * mean / (np.sqrt(largest / (1 - rule.beta_2**t)) + rule.epsilon)


def nadam_steps(rule, gradients):
    t = np.arange(1, STEPS + 2)[:, None]
    momentum = rule.beta_1 * (1 - 0.96 ** (t * rule.momentum_decay) / 2)
    product = np.cumprod(momentum, axis=0)
    mean = (1 - rule.beta_1 ** t[:-1]) * running_mean(rule.beta_1, gradients)
    ahead = momentum[1:] * mean / (1 - product[1:])
    now = (1 - momentum[:-1]) * gradients / (1 - product[:-1])
    size = np.sqrt(running_mean(rule.beta_2, gradients**2)) + rule.epsilon
    return -rates(rule)[:, None] * (ahead + now) / size


def lion_steps(rule, gradients):
    t = np.arange(1, STEPS + 1)[:, None]
    mean = (1 - rule.beta_2**t) * running_mean(rule.beta_2, gradients)
    before = np.vstack([np.zeros_like(gradients[:1]), mean[:-1]])
    return -rates(rule)[:, None] * np.sign(rule.beta_1 * before + (1 - rule.beta_1) * gradients)


RULES = [
    (GradientDescent(0.3), gradient_descent_steps),
    (GradientDescent(0.3, decay=0.1), gradient_descent_steps),
    (Momentum(0.02), momentum_steps),
    (Momentum(0.02, momentum=0.5, decay=0.3), momentum_steps),
    (Adam(0.01), adam_steps),
    (Adam(0.01, beta_1=0.5, beta_2=0.9, epsilon=0.1, decay=0.2), adam_steps),
    (Nesterov(0.02), nesterov_steps),
    (Nesterov(0.02, momentum=0.5, decay=0.3), nesterov_steps),
    (RMSprop(0.02), rmsprop_steps),
    (RMSprop(0.02, beta=0.5, epsilon=0.1, decay=0.3), rmsprop_steps),
    (Adagrad(0.3), adagrad_steps),
    (Adagrad(0.3, epsilon=0.1, decay=0.2), adagrad_steps),
    (AdamW(0.01, weight_decay=0.0), adam_steps),
    (AMSGrad(0.01), amsgrad_steps),
    (AMSGrad(0.01, beta_1=0.5, beta_2=0.9, epsilon=0.1, decay=0.2), amsgrad_steps),
    (NAdam(0.01), nadam_steps),
    (NAdam(0.01, beta_1=0.99, beta_2=0.9, decay=0.2, momentum_decay=0.0), nadam_steps),
    (NAdam(0.01, beta_1=0.0), nadam_steps),
    (Lion(0.01), lion_steps),
    (Lion(0.01, beta_1=0.5, beta_2=0.9, decay=0.2), lion_steps),
]
each_rule = pytest.mark.parametrize(("rule", "steps"), RULES, ids=[repr(rule) for rule, _ in RULES])


@pytest.fixture
def gradients(rng):
    return rng.normal(size=(STEPS, 13)) * 10.0 ** rng.integers(-3, 4, size=13)


def interpreted(rule, x, gradients):
    """The rule itself, called on arrays."""
    state = rule.start(x)
    for t, gradient in enumerate(gradients, 1):
        result = rule.update(rule.prepare(t), x, gradient, *state)
        x, *state = result if rule.state else (result,)
        yield x


def compiled(rule, x, gradients):
    """The loop over parameters."""
    x, state = x.copy(), rule.start(x)
    for t, gradient in enumerate(gradients, 1):
        apply(rule, t, x, gradient, state)
        yield x.copy()


@each_rule
@pytest.mark.parametrize("run", [interpreted, compiled])
def test_a_hundred_steps_are_those_of_the_formula_written_out(rule, steps, run, gradients):
    start = np.linspace(-1, 1, gradients.shape[1])
    path = np.array(list(run(rule, start, gradients)))
    expected = start + np.cumsum(steps(rule, gradients), axis=0)
    assert_allclose(path, expected, rtol=1e-12, atol=1e-12 * np.abs(expected).max())


@each_rule
def test_the_compiled_loop_is_the_same_as_the_loop_in_python(rule, steps, gradients):
    x = np.ones(gradients.shape[1])
    y, of_x, of_y = x.copy(), rule.start(x), rule.start(x)
    for t, gradient in enumerate(gradients[:20], 1):
        apply(rule, t, x, gradient, of_x)
        update_all(rule, float(t), y, gradient, of_y)
    assert_allclose(x, y, rtol=1e-14)
    assert_allclose(np.array(of_x), np.array(of_y), rtol=1e-14)


@each_rule
def test_float32_parameters_stay_float32_and_arrays_of_any_shape_are_updated_in_place(rule, steps, gradients):
    gradient = gradients.reshape(-1, 4)[:6].astype(np.float32)
    x = np.ones((6, 4), np.float32)
    state = rule.start(x)
    exact = np.ones((6, 4))
    apply(rule, 1, x, gradient, state)
    apply(rule, 1, exact, gradient, rule.start(exact))
    assert {array.dtype for array in (x, *state)} == {np.dtype(np.float32)}
    assert_allclose(x, exact, rtol=1e-6, atol=1e-6 * rule.learning_rate * np.abs(gradient).max())


@each_rule
def test_interpreted_too_float32_stays_float32(rule, steps, gradients):
    x, gradient = np.ones(13, np.float32), gradients[0].astype(np.float32)
    result = rule.update(rule.prepare(1), x, gradient, *rule.start(x))
    assert {array.dtype for array in (result if rule.state else (result,))} == {np.dtype(np.float32)}


def test_a_single_number_is_an_array_of_no_dimensions():
    x = np.array(2.0)
    apply(GradientDescent(0.5), 1, x, 3.0, ())
    assert x == 0.5


@each_rule
def test_what_a_step_shares_is_computed_in_float64_also_for_float32(rule, steps, gradients):
    """1 - beta_2 to the power of t would have lost four digits in the first steps."""
    x, exact = np.zeros(13, np.float32), np.zeros(13)
    state, of_exact = rule.start(x), rule.start(exact)
    gradients = gradients[:8].astype(np.float32)
    for t, gradient in enumerate(gradients, 1):
        apply(rule, t, x, gradient, state)
        apply(rule, t, exact, gradient, of_exact)
    assert_allclose(x, exact, rtol=1e-5, atol=1e-6 * np.abs(exact).max())


@each_rule
def test_any_number_of_threads_gives_the_same_bits(rule, steps, rng):
    n = ALONE + 12_345
    gradient = rng.normal(size=n).astype(np.float32)
    results = []
    for n_threads in (1, 2, 3):
        x = np.ones(n, np.float32)
        state = rule.start(x)
        for t in (1, 2):
            apply(rule, t, x, gradient, state, n_threads=n_threads)
        results.append(np.array([x, *state]))
    assert_array_equal(results[0], results[1])
    assert_array_equal(results[0], results[2])
    few = np.ones(1000, np.float32)
    state = rule.start(few)
    for t in (1, 2):
        apply(rule, t, few, gradient[:1000], state)
    assert_array_equal(results[0][0][:1000], few)


@each_rule
def test_another_rate_is_another_rule_of_the_same_kind(rule, steps):
    other = rule.with_rate(0.125)
    assert other == dataclasses.replace(rule, learning_rate=0.125)
    assert (type(other), other.learning_rate, hash(other) != hash(rule)) == (type(rule), 0.125, True)
    still = np.ones(3)
    apply(rule.with_rate(0.0), 1, still, np.full(3, 2.0), rule.start(still))
    assert_array_equal(still, np.ones(3))


@pytest.mark.parametrize("rule", [AdamW(0.1, weight_decay=0.5), Lion(0.1, decay=0.3, weight_decay=0.5)])
def test_decoupled_decay_shrinks_the_parameters_whatever_their_gradients(rule):
    plain = dataclasses.replace(rule, weight_decay=0.0)
    for t in (1, 2, 3):
        rate = rule.learning_rate / (1 + rule.decay * (t - 1))
        with_decay, *_ = rule.update(rule.prepare(t), 8.0, 0.3, *rule.start(0.0))
        without, *_ = plain.update(plain.prepare(t), 8.0, 0.3, *plain.start(0.0))
        assert_allclose(with_decay, without - rate * 0.5 * 8.0, rtol=1e-14)


def test_amsgrad_never_lets_its_rates_rise(rng):
    rule, x = AMSGrad(), np.zeros(5)
    state = rule.start(x)
    largest = []
    for t in range(1, 60):
        apply(rule, t, x, rng.normal(size=5) / t, state)
        largest.append(state[2].copy())
    assert (np.diff(largest, axis=0) >= 0.0).all()


def test_the_product_of_nadams_momenta_is_forgotten_when_it_no_longer_counts():
    """Whatever the number of the step, some fifty factors are multiplied; and then it is zero."""
    rule = NAdam()
    early, late = np.array(rule.prepare(1000.0)), np.array(rule.prepare(10.0**9))
    assert np.isfinite(early).all()
    assert_allclose(late, [0.002 * 0.9, 0.002 * (1 - 0.9), 1.0], rtol=1e-12)


def test_a_rule_of_ones_own_may_prepare_its_step(gradients):
    @update_rule("halving")
    class Halving:
        """A rate of half a half a half."""

        learning_rate: float = 1.0

        def prepare(self, step):
            return self.learning_rate * 0.5**step

        def update(self, rate, parameter, gradient):
            return parameter - rate * gradient

    del REGISTRY["halving"]
    x = np.zeros(gradients.shape[1])
    path = list(compiled(Halving(), x, gradients))
    assert_allclose(path, list(interpreted(Halving(), x, gradients)), rtol=1e-12)
    assert_allclose(path[1], -gradients[0] / 2 - gradients[1] / 4, rtol=1e-12)


def test_without_momentum_the_velocity_is_the_gradient_step(gradients):
    x = np.zeros(gradients.shape[1])
    with_velocity = list(compiled(Momentum(0.1, momentum=0.0, decay=0.5), x, gradients))
    assert_array_equal(with_velocity, list(compiled(GradientDescent(0.1, decay=0.5), x, gradients)))


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_the_first_step_of_adam_has_the_length_of_the_learning_rate_in_each_coordinate(scale):
    x = np.zeros(2)
    apply(rule := Adam(0.25), 1, x, scale * np.array([3.0, -1.0]), rule.start(x))
    assert_allclose(x, [-0.25, 0.25], rtol=1e-4)


def test_steps_that_agree_add_up_to_the_learning_rate_over_one_minus_the_momentum():
    *_, before, last = compiled(Momentum(0.1, momentum=0.8), np.zeros(1), np.ones((STEPS, 1)))
    assert_allclose(last - before, -0.1 / (1 - 0.8), rtol=1e-8)


def test_a_rule_of_ones_own_runs_through_the_same_loop(gradients):
    @update_rule("averaged")
    class Averaged:
        """Gradient descent that remembers the sum of gradients, of squares and of iterates."""

        learning_rate: float = 0.1
        state: ClassVar = ("total", "squares", "iterates")

        def update(self, step, parameter, gradient, total, squares, iterates):
            moved = parameter - self.learning_rate * np.tanh(gradient) / np.sqrt(step)
            return moved, total + gradient, squares + gradient**2, iterates + moved

    assert isinstance(get_rule("averaged", learning_rate=0.5), Averaged)
    del REGISTRY["averaged"]
    x = np.zeros(gradients.shape[1])
    assert_allclose(
        list(compiled(Averaged(), x, gradients)), list(interpreted(Averaged(), x, gradients)), rtol=1e-12
    )


def test_rules_are_values():
    assert get_rule("adam", learning_rate=0.5) == Adam(0.5) != Adam(0.25)
    assert get_rule(rule := Momentum()) is rule
    assert pickle.loads(pickle.dumps(Adam(0.5))) == Adam(0.5)
    assert repr(GradientDescent(1)) == "GradientDescent(learning_rate=1.0, decay=0.0)"
    assert issubclass(Adam, UpdateRule)


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: GradientDescent(0.0), ValueError, "learning_rate must be positive, got 0.0"),
        (lambda: Adam(-1), ValueError, "learning_rate must be positive, got -1.0"),
        (lambda: Momentum(decay=-0.5), ValueError, "decay must not be negative, got -0.5"),
        (lambda: Momentum(momentum=1.0), ValueError, r"momentum must lie in \[0, 1\), got 1.0"),
        (lambda: Adam(beta_2=1.5), ValueError, r"beta_2 must lie in \[0, 1\), got 1.5"),
        (lambda: Adam(epsilon=0), ValueError, "epsilon must be positive, got 0.0"),
        (lambda: Nesterov(momentum=-0.1), ValueError, r"Nesterov: momentum must lie in \[0, 1\), got -0.1"),
        (lambda: RMSprop(beta=1), ValueError, r"RMSprop: beta must lie in \[0, 1\), got 1.0"),
        (lambda: Adagrad(epsilon=-1), ValueError, "Adagrad: epsilon must be positive, got -1.0"),
        (lambda: AdamW(weight_decay=-1), ValueError, "AdamW: weight_decay must not be negative, got -1.0"),
        (lambda: NAdam(momentum_decay=-1), ValueError, "NAdam: momentum_decay must not be negative"),
        (lambda: Lion(weight_decay=-1), ValueError, "Lion: weight_decay must not be negative, got -1.0"),
        (lambda: GradientDescent(np.nan), ValueError, "learning_rate must be finite, got nan"),
        (lambda: get_rule("sgd"), ValueError, "'sgd'; the known ones are .'adagrad', 'adam', 'adamw'"),
        (lambda: get_rule(Adam), TypeError, r"write Adam\(\)"),
        (lambda: get_rule(3.0), TypeError, "rule must be a name or a UpdateRule, got 3.0"),
        (lambda: get_rule(Adam(), beta_1=0.5), TypeError, "has its parameters already"),
        (lambda: update_rule(""), TypeError, "a rule needs a name"),
        (lambda: update_rule("idle")(type("Idle", (), {})), FormulaError, "'idle' must define update"),
        (
            lambda: update_rule("free")(type("Free", (), {"update": lambda self, step, x, g: x - g})),
            FormulaError,
            "'free' must have a field learning_rate",
        ),
        (
            lambda: update_rule("odd")(type("Odd", (Momentum,), {"state": "velocity"})),
            FormulaError,
            "state must be a tuple of names, got 'velocity'",
        ),
        (
            lambda: update_rule("few")(type("Few", (Momentum,), {"update": lambda self, step, x, g: x})),
            FormulaError,
            r"the rule 'few': update must take \(self, step, parameter, gradient, velocity\), not \(self, st",
        ),
        (
            lambda: update_rule("now")(type("Now", (Momentum,), {"prepare": lambda self: 1.0})),
            FormulaError,
            r"the rule 'now': prepare must take \(self, step\), not \(self\)",
        ),
        (lambda: UpdateRule().update(1, 0.0, 0.0), NotImplementedError, "must define update"),
    ],
)
def test_what_is_wrong_with_a_rule_is_named(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize(
    ("x", "gradient", "n_state", "error", "message"),
    [
        (np.zeros(3), np.zeros(4), 1, ValueError, r"gradient has shape \(4,\), parameters have \(3,\)"),
        (np.zeros(3), np.zeros(3), 0, ValueError, r"state must hold 1 arrays, \('velocity',\), got 0"),
        (np.zeros(6)[::2], np.zeros(3), 1, ValueError, "parameters must be float64, C-contiguous and wr"),
        (np.broadcast_to(1.0, 3), np.zeros(3), 1, ValueError, "parameters must be float64, C-contiguous"),
        (np.zeros(3, np.float32), np.zeros(3), 1, ValueError, "velocity must be float32"),
        (np.zeros(3, int), np.zeros(3), 1, TypeError, "parameters must be float32 or float64, got int64"),
    ],
)
def test_what_is_wrong_with_the_arrays_is_named(x, gradient, n_state, error, message):
    with pytest.raises(error, match=message):
        apply(Momentum(), 1, x, gradient, (np.zeros(3),) * n_state)


@pytest.mark.parametrize("step", [0, -1, np.nan])
def test_steps_count_from_one(step):
    with pytest.raises(ValueError, match=f"step must be at least 1, got {step}"):
        apply(GradientDescent(), step, np.zeros(3), np.ones(3), ())


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda x, v: x, r"0\.5"),
        (lambda x, v: (x, v, v), r"\(0\.5, 0\.0, 0\.0\)"),
        (lambda x, v: [x, v], r"\[0\.5, 0\.0\]"),
        (lambda x, v: None, "None"),
    ],
)
def test_a_rule_that_answers_what_it_should_not_is_told_in_one_sentence(answer, said):
    @update_rule("wrong")
    class Wrong:
        """Compiled, it would be answered with pages, or a surplus would be dropped."""

        learning_rate: float = 0.5
        state: ClassVar = ("velocity",)

        def update(self, step, parameter, gradient, velocity):
            return answer(parameter - self.learning_rate * gradient, velocity)

    del REGISTRY["wrong"]
    x = np.ones(3)
    with pytest.raises(FormulaError, match=f"Wrong.update must return parameter, velocity; .* {said}"):
        apply(Wrong(), 1, x, x, Wrong().start(x))

"""How a session shares its work."""

import itertools

from calclearn.neural_network._session import LOOK_AGAIN, LOOK_SELDOM, Pace


def calls(pace, seconds, count):
    """The members of each of so many calls, where a batch takes ``seconds[members]``."""
    found = []
    for _ in range(count):
        members, _ = pace.members(2)
        pace.note(members, seconds[members])
        found.append(members)
    return found


def test_one_member_needs_no_comparison():
    assert Pace().members(1) == (1, False)


def test_both_ways_are_looked_at_and_the_faster_is_kept():
    assert calls(Pace(), {1: 2.0, 2: 1.0}, 4) == [2, 2, 1, 2]
    assert calls(Pace(), {1: 1.0, 2: 2.0}, 4) == [2, 2, 1, 1]


def test_the_slower_way_is_looked_at_more_and_more_seldom_and_taken_when_it_has_become_faster():
    pace = Pace()
    found = calls(pace, {1: 2.0, 2: 1.0}, 400)
    looks = [k for k, members in enumerate(found) if members == 1]
    gaps = [later - earlier for earlier, later in itertools.pairwise(looks)]
    assert looks[1] == LOOK_AGAIN
    assert gaps[1:] == sorted(gaps[1:])
    assert gaps[-1] == LOOK_SELDOM
    assert calls(pace, {1: 0.1, 2: 1.0}, 6 * LOOK_SELDOM)[-1] == 1

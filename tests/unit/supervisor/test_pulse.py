"""pulse: silence is counted while we look, and ended by any change."""

import math

from pydaemonwsgi.supervisor.pulse import Pulse


def test_a_child_that_beats_is_never_dead() -> None:
    """Whatever it writes, as long as it changes."""
    pulse = Pulse(3.0, 0.0)
    for second, beat in enumerate((5.0, 6.0, -1.0, math.nan, math.inf, 0.5)):
        assert not pulse.look(beat, float(second))
        assert pulse.silence == 0.0


def test_a_silent_child_is_dead_at_its_time() -> None:
    """Counted from the last change that was seen."""
    pulse = Pulse(3.0, 0.0)
    assert [pulse.look(7.0, now) for now in (1.0, 2.0, 3.0, 3.9, 4.0)] == [False, False, False, False, True]


def test_a_child_that_never_beats_is_dead_at_its_time() -> None:
    """The first sign of life is waited for no longer than the next."""
    pulse = Pulse(2.0, 10.0)
    assert [pulse.look(0.0, now) for now in (11.0, 12.0)] == [False, True]


def test_a_pause_of_our_own_is_no_silence() -> None:
    """If nobody looked for an hour, the machine slept, or we did: the child has to be given a chance to beat."""
    pulse = Pulse(60.0, 0.0)
    pulse.look(1.0, 1.0)
    assert not pulse.look(1.0, 3600.0)
    assert pulse.silence <= 2.0


def test_without_a_timeout_nobody_looks() -> None:
    """0 means never."""
    pulse = Pulse(0.0, 0.0)
    assert not any(pulse.look(0.0, float(now)) for now in range(10_000))
    assert pulse.next_look() is None


def test_the_next_look_comes_in_time() -> None:
    """Every second, and when the time is over."""
    pulse = Pulse(2.5, 0.0)
    looks = [0.0]
    while not pulse.look(0.0, looks[-1]):
        following = pulse.next_look()
        assert following is not None
        looks.append(following)
    assert looks == [0.0, 1.0, 2.0, 2.5]

"""policy: fast requests run inline, slow ones after a hand-over, and the mind changes with what is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pydaemonwsgi.daemon.policy import PATIENCE, SLOW, TICK, PoolPolicy
from pydaemonwsgi.daemon.thread_usage import ThreadUsage

FAST = SLOW / 10


def test_a_new_pool_is_optimistic() -> None:
    """Nothing is known yet, so the leader runs the request itself."""
    assert not PoolPolicy(25).hand_over_first("/")


def test_fast_requests_stay_inline() -> None:
    """As long as every request is fast, the lead is kept."""
    policy = PoolPolicy(25)
    for number in range(1000):
        policy.observe(f"/{number % 7}", FAST)
    assert not policy.hand_over_first("/0")
    assert not policy.hand_over_first("/new")


def test_slow_requests_are_handed_over() -> None:
    """When requests are slow everywhere, unknown paths are handed over too."""
    policy = PoolPolicy(25)
    for number in range(50):
        policy.observe(f"/{number}", 20 * SLOW)
    assert policy.hand_over_first("/new")
    assert policy.average > SLOW


def test_the_mind_changes_back() -> None:
    """After slow times a run of fast requests brings back the inline way."""
    policy = PoolPolicy(25)
    for _ in range(50):
        policy.observe("/", 100 * SLOW)
    for _ in range(100):
        policy.observe("/", FAST)
    assert not policy.hand_over_first("/")
    assert not policy.hand_over_first("/new")


def test_one_outlier_does_not_change_the_mind_about_others() -> None:
    """A single request of a minute leaves the other paths inline."""
    policy = PoolPolicy(25)
    for _ in range(100):
        policy.observe("/", FAST)
    policy.observe("/report", 60.0)

    assert not policy.hand_over_first("/")
    assert policy.hand_over_first("/report")


def test_a_slow_path_among_fast_ones_is_remembered() -> None:
    """One slow page among thousands of fast requests is handed over at each visit, the others never."""
    policy = PoolPolicy(25)
    for _ in range(20):
        for _ in range(100):
            policy.observe("/", FAST)
        policy.observe("/report", 0.5)
        assert policy.hand_over_first("/report")
        assert not policy.hand_over_first("/")


def test_a_path_that_became_fast_is_forgiven() -> None:
    """A slow path that is fast again, as after its first visit filled a cache, comes back inline."""
    policy = PoolPolicy(25)
    policy.observe("/cached", 0.5)
    for _ in range(200):
        policy.observe("/cached", FAST)
    assert not policy.hand_over_first("/cached")


def test_one_thread_has_nobody_to_hand_over_to() -> None:
    """With threads=1 no request is ever handed over."""
    policy = PoolPolicy(1)
    for _ in range(100):
        policy.observe("/", 1.0)
    assert not policy.hand_over_first("/")


def test_endless_paths_take_bounded_memory() -> None:
    """A client that invents slow paths cannot make the memory of them grow without end: old ones are forgotten."""
    policy = PoolPolicy(25)
    for number in range(5000):
        policy.observe(f"/{number}", 2 * SLOW)
    for _ in range(200):
        policy.observe("/fast", FAST)  # the average is fast again: only the memory of paths speaks

    remembered = sum(policy.hand_over_first(f"/{number}") for number in range(5000))
    assert 0 < remembered <= 1024
    assert policy.hand_over_first("/4999")
    assert not policy.hand_over_first("/0")


# -- a process that computes all the time


def computing(share: float, *, locked: bool = True) -> PoolPolicy:
    """A policy of a process that uses this share of a processor, whose requests take 2 ms each."""
    policy = PoolPolicy(25)
    for turn in range(200):
        policy.note_usage(100 + turn * TICK, 10 + turn * TICK * share, locked=locked)
    for _ in range(100):
        policy.observe("/", 4 * SLOW)
    return policy


@pytest.mark.parametrize(
    ("share", "inline"), [(0.0, False), (0.5, False), (0.95, True), (1.0, True), (1.5, False), (2.0, False)]
)
def test_requests_that_compute_run_one_after_the_other(share: float, inline: bool) -> None:
    """Slow requests run inline only while the process uses about one processor: concurrency would only harm them."""
    policy = computing(share)
    assert policy.hand_over_first("/") is not inline
    assert policy.patience == (PATIENCE if inline else TICK)


def test_requests_that_compute_run_beside_each_other_where_there_is_no_lock() -> None:
    """Each has a processor of its own: one that is used fully says nothing against a second."""
    policy = computing(1.0, locked=False)
    assert policy.hand_over_first("/")
    assert policy.patience == TICK


def test_a_really_slow_path_is_handed_over_by_a_computing_process_too() -> None:
    """A request that would take longer than the monitor's patience does not run inline."""
    policy = computing(1.0)
    policy.observe("/report", 10 * PATIENCE)
    assert policy.hand_over_first("/report")
    assert not policy.hand_over_first("/")


def crowd(policy: PoolPolicy, path: str = "/", times: int = 20) -> None:
    """Eight requests of 2 ms of computing ran at once, again and again: each took eight times as long."""
    for _ in range(times):
        policy.observe(path, 0.016, busy=8)


def test_requests_that_held_each_other_up_run_inline_all_the_same() -> None:
    """A wall time beyond the monitor's patience that is only the others' computing does not keep a path out."""
    policy = computing(1.0)
    crowd(policy)
    assert not policy.hand_over_first("/")


@pytest.mark.parametrize(
    ("late", "inline"), [(0.0001, False), (0.005, True)], ids=["lock is free", "lock is fought for"]
)
def test_a_busy_machine_is_not_taken_for_waiting(late: float, inline: bool) -> None:
    """With half a processor, what tells computing from waiting is how long the monitor waits for the lock."""
    policy = PoolPolicy(25)
    crowd(policy)
    for turn in range(200):
        policy.note_lateness(late)
        policy.note_usage(100 + turn * TICK, 10 + turn * TICK * 0.5)
    assert policy.hand_over_first("/") is not inline


def test_computing_goes_on_one_after_the_other_with_less_contention() -> None:
    """Requests that run one after the other contend less: that does not end it; a free lock does."""
    policy = computing(1.0)
    for turn in range(200):
        policy.note_lateness(0.0006)
        policy.note_usage(101 + turn * TICK, 11 + turn * TICK * 0.5)
    assert not policy.hand_over_first("/")
    for turn in range(200):
        policy.note_lateness(0.0001)
        policy.note_usage(102 + turn * TICK, 12 + turn * TICK * 0.5)
    assert policy.hand_over_first("/")


def test_a_path_that_waits_is_handed_over_by_a_computing_process() -> None:
    """Whoever was run inline and waited is handed over, for a while; then it is tried again."""
    policy = computing(1.0)
    crowd(policy, "/query")
    assert not policy.hand_over_first("/query")
    for _ in range(5):
        policy.observe("/query", 0.005, busy=1, own=ThreadUsage(0.0004, 2))
    assert policy.hand_over_first("/query")
    assert not policy.hand_over_first("/")

    for turn in range(1000):
        policy.note_usage(101 + turn * TICK, 11 + turn * TICK)
    assert not policy.hand_over_first("/query")


def test_paths_that_wait_are_handed_over_although_none_comes_twice() -> None:
    """An application with a path for each of its objects: what the others did is all that is known of the next."""
    policy = computing(1.0)
    assert not policy.hand_over_first("/item/0")
    for number in range(5):
        assert policy.wants_measured(f"/item/{number}")
        policy.observe(f"/item/{number}", 0.010, busy=1, own=ThreadUsage(0.0003, 2))
    assert policy.hand_over_first("/item/5")

    for turn in range(1000):
        policy.note_usage(101 + turn * TICK, 11 + turn * TICK)
    assert not policy.hand_over_first("/item/5")


def test_new_paths_are_not_judged_for_ever_by_one_that_computed_for_long() -> None:
    """Those that are handed over are not measured; what they take is seen all the same."""
    policy = computing(1.0)
    policy.observe("/report/1", 1.0, busy=1, own=ThreadUsage(1.0, 0))
    assert policy.hand_over_first("/report/2")
    for number in range(30):
        policy.observe(f"/item/{number}", 0.016, busy=8)
    assert not policy.hand_over_first("/item/30")


@pytest.mark.parametrize(
    ("busy", "own"),
    [(1, ThreadUsage(0.0004, 0)), (8, ThreadUsage(0.0011, 3)), (1, ThreadUsage(0.004, 1))],
    ids=["the machine was busy", "others held the lock", "it computed"],
)
def test_what_is_not_waiting_is_not_taken_for_it(busy: int, own: ThreadUsage) -> None:
    """A long wall time has other causes than waiting: processors or the lock that others have."""
    policy = computing(1.0)
    for _ in range(50):
        policy.observe("/", 0.007, busy=busy, own=own)
    assert not policy.hand_over_first("/")


def test_a_path_that_computes_for_long_is_handed_over() -> None:
    """More processor time than the monitor has patience for: another must lead meanwhile."""
    policy = computing(1.0)
    for _ in range(5):
        policy.observe("/", 2 * PATIENCE, own=ThreadUsage(2 * PATIENCE, 0))
    assert policy.hand_over_first("/")


def test_one_look_says_nothing_of_usage() -> None:
    """What the process used before the first look, or during a long sleep, is no measurement."""
    policy = PoolPolicy(25)
    policy.note_usage(1000.0, 950.0)
    assert policy.patience == TICK
    policy.note_usage(2000.0, 1900.0)
    assert policy.patience == TICK


@given(st.lists(st.tuples(st.sampled_from(["/a", "/b", "/c"]), st.floats(0, 1000)), max_size=200))
def test_the_average_stays_between_the_extremes(seen: list[tuple[str, float]]) -> None:
    """Whatever was seen, the average is neither negative nor above the slowest request."""
    policy = PoolPolicy(3)
    for path, duration in seen:
        policy.observe(path, duration)
    assert 0 <= policy.average <= max((duration for _, duration in seen), default=0) + 1e-12


@pytest.mark.parametrize("duration", [0.0, SLOW], ids=["no time", "exactly the threshold"])
def test_the_threshold_itself_is_not_slow(duration: float) -> None:
    """Only what is above the threshold counts as slow."""
    policy = PoolPolicy(3)
    for _ in range(100):
        policy.observe("/", duration)
    assert not policy.hand_over_first("/")

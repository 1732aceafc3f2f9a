"""descriptor_queue: each descriptor goes to the frame that it came for, and none is left open."""

import os
from pathlib import Path

import pytest

from pydaemonwsgi.errors import ChannelError
from pydaemonwsgi.system.descriptor_queue import DescriptorQueue
from pydaemonwsgi.system.sockets import LOST_DESCRIPTOR


def opened(count: int) -> list[int]:
    """Descriptors that belong to the caller."""
    return [os.open("/dev/null", os.O_RDONLY) for _ in range(count)]


def is_open(descriptor: int) -> bool:
    """Whether this process has it."""
    return Path(f"/proc/self/fd/{descriptor}").is_symlink()


def test_descriptors_are_taken_in_the_order_in_which_they_came() -> None:
    """What came in two receives is one row."""
    queue = DescriptorQueue()
    first, second, third = opened(3)
    queue.extend([first])
    queue.extend([second, third])
    taken = [queue.take(1), queue.take(1), queue.take(1)]
    for descriptor in taken:
        os.close(descriptor)
    assert taken == [first, second, third]


def test_a_frame_whose_descriptor_did_not_come_is_refused() -> None:
    """It is said, not waited for."""
    with pytest.raises(ChannelError, match="without its descriptor"):
        DescriptorQueue().take(1)


def test_a_frame_that_announces_none_gets_no_other_frames_descriptor() -> None:
    """A frame of a kind that needs one, whose header says that it has none, takes nobody else's."""
    queue = DescriptorQueue()
    queue.extend(opened(1))
    with pytest.raises(ChannelError, match="without its descriptor"):
        queue.take(0)
    os.close(queue.take(1))


def test_a_descriptor_that_was_lost_keeps_its_place() -> None:
    """Who takes it is told that there is none; the next frame gets its own."""
    queue = DescriptorQueue()
    (kept,) = opened(1)
    queue.extend([LOST_DESCRIPTOR, kept])
    taken = [queue.take(1), queue.take(1)]
    os.close(kept)
    assert taken == [LOST_DESCRIPTOR, kept]


@pytest.mark.parametrize(("waiting", "frames"), [(16, 0), (20, 4)])
def test_descriptors_may_be_a_little_ahead_of_their_frames(waiting: int, frames: int) -> None:
    """The kernel gives them with the first byte of a frame that is not whole yet."""
    queue = DescriptorQueue()
    queue.extend([LOST_DESCRIPTOR] * waiting)
    queue.check(frames)


@pytest.mark.parametrize(("waiting", "frames"), [(17, 0), (21, 4)])
def test_descriptors_that_belong_to_no_frame_are_refused(waiting: int, frames: int) -> None:
    """Nobody can fill this process with descriptors."""
    queue = DescriptorQueue()
    queue.extend([LOST_DESCRIPTOR] * waiting)
    with pytest.raises(ChannelError, match="belong to no frame"):
        queue.check(frames)


def test_what_was_not_taken_is_closed() -> None:
    """The end of a channel leaves nothing open, and stumbles over none that was lost."""
    queue = DescriptorQueue()
    descriptors = opened(2)
    queue.extend([descriptors[0], LOST_DESCRIPTOR, descriptors[1]])
    queue.close()
    assert [is_open(descriptor) for descriptor in descriptors] == [False, False]

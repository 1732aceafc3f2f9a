"""ledger: what the interpreters of a process count together."""

from pydaemonwsgi.daemon.ledger import LEDGER_SIZE, Ledger


def ledgers(count: int) -> list[Ledger]:
    """One for each interpreter, the main one first."""
    memory = memoryview(bytearray(LEDGER_SIZE))
    main = Ledger(memory, 0)
    main.add_rows(count - 1)
    return [main, *(Ledger(memory, row) for row in range(1, count))]


def test_ended_requests_add_up() -> None:
    main, one, two = ledgers(3)
    assert main.share(5) == 5
    assert one.share(2) == 7
    assert two.share(1) == 8
    assert one.share(3) == 9


def test_the_latest_activity_is_everybodys() -> None:
    main, one = ledgers(2)
    assert main.last_active == 0.0
    one.note_active(12.5)
    main.note_active(11.0)
    assert (main.last_active, one.last_active) == (12.5, 12.5)


def test_the_worst_status_is_the_processs() -> None:
    main, one, two = ledgers(3)
    assert main.status == 0
    two.note_status(1)
    one.note_status(0)
    assert main.status == 1

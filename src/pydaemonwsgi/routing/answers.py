"""How a step of the pipeline ends the whole of it: an answer is known before the end is reached. Sans-I/O."""

__all__ = ["Answered"]


class Answered(Exception):
    """The request has its answer.

    Attributes:
        status: of the response.
        reason: one sentence for the log and for explanations.
        location: where a redirect leads; None for other statuses.
    """

    def __init__(self, status: int, reason: str, location: str | None = None) -> None:
        super().__init__(f"{status}: {reason}")
        self.status = status
        self.reason = reason
        self.location = location

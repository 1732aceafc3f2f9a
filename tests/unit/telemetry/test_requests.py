"""A slow request is told without what nobody else should read."""

from pydaemonwsgi.telemetry.requests import SlowRequests, described

VARIABLES = {
    "REQUEST_METHOD": "GET",
    "REQUEST_SCHEME": "https",
    "REQUEST_URI": "/cart/7?token=secret#x",
    "SCRIPT_NAME": "/cart",
    "PATH_INFO": "/7",
    "HTTP_HOST": "shop.example",
    "HTTP_USER_AGENT": "curl/8",
    "HTTP_COOKIE": "session=secret",
    "HTTP_AUTHORIZATION": "Basic secret",
}


def test_the_path_is_told_without_its_query() -> None:
    told = described(VARIABLES, user_agent=True)
    assert (told["method"], told["scheme"], told["host"], told["path"]) == ("GET", "https", "shop.example", "/cart/7")
    assert "secret" not in repr(told)


def test_the_user_agent_is_told_only_where_that_was_asked_for() -> None:
    assert described(VARIABLES, user_agent=True)["user_agent"] == "curl/8"
    assert "curl" not in repr(described(VARIABLES, user_agent=False))


def test_more_slow_requests_than_are_told_are_counted() -> None:
    slow = SlowRequests()
    for number in range(100):
        slow.add({"request_id": number})
    assert [one["request_id"] for one in slow.take()] == list(range(64))
    assert slow.left_out == 36
    assert slow.take() == []

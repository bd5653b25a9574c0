"""A far side that says what a test wrote down, and remembers what it was asked."""

import json
from collections import deque
from urllib.parse import unquote

import httpx

from worker.mailchimp.client import MailchimpClient

LIST = "a1b2c3d4e5"
AUDIENCE = {"id": LIST, "name": "Newsletter"}


def problem(title: str = "Resource Not Found", detail: str = "", **more: object) -> dict[str, object]:
    return {"type": "about:blank", "title": title, "detail": detail, "instance": "995c5cb0", **more}


class Script:
    """Answers of (status, body), given in that order; a body is bytes, or something to be JSON."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        self.asked: list[str] = []
        self.bodies: list[object] = []
        self._answers = deque(answers)
        self.client = MailchimpClient(
            base_url="https://us21.api.mailchimp.com/3.0",
            api_key="key-us21",
            transport=httpx.MockTransport(self._answer),
        )

    @property
    def is_over(self) -> bool:
        return not self._answers

    def _answer(self, request: httpx.Request) -> httpx.Response:
        target = request.url.raw_path.decode().removeprefix("/3.0")
        self.asked.append(f"{request.method} {unquote(target)}")
        if request.content:
            self.bodies.append(json.loads(request.content))
        status, body = self._answers.popleft()
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return httpx.Response(status, content=content)

"""The load: its tasks, and how the target answers them."""

import dataclasses

# The agent, which logs each message, has to keep up with three times the rate, also beside other work.
USERS, RATE = 32, 500


@dataclasses.dataclass(frozen=True)
class Task:
    """One request of the load, and how the target answers it. Status 0: not at all, it hangs up."""

    method: str
    name: str
    statuses: tuple = (200,)
    size: int = 0
    delay: float = 0.0

    @staticmethod
    def outcome(status):
        return "success" if 0 < status < 400 else "failure"

    def body_bytes(self, status):
        return 0 if status == 0 or self.method == "HEAD" else self.size


TASKS = (
    Task("GET", "/items", size=512),
    Task("GET", "says \"hi\", 'bye'", size=64, delay=0.007),
    Task("POST", "C:\\new\\table\\", (201,), 65),
    Task("PUT", "\\, \\= \\  \\\\ \\\" \\n", (200,), 256),
    Task("PATCH", "two\nlines,\r\na tab\t and \0 \x01 \x7f \x85", (404,), 63, 0.03),
    Task("DELETE", "Grüße, naïve café, 日本語, e\u0301, \u2028", (500,), 1025),
    Task("GET", "🚀 👩‍🚀 \U0010ffff", (200, 503), 20_000),
    Task("POST", "tags|a,b:c#d=e;f", size=257),
    Task("OPTIONS", "", (204,)),
    Task("HEAD", "  leading and trailing  ", (301,), 100),
    Task("GET", "ü long, " * 40, size=262_145),
    Task("GET", "no answer", (0,)),
    Task("GET", "{}%$`~!@^&*()[]<>/?+-_.'", (200,), 70_000, 0.06),
    Task("GET", "quiet", size=1),
)
LOAD, QUIET = range(len(TASKS) - 1), len(TASKS) - 1

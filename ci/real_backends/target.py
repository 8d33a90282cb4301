"""The target: the HTTP server that the load is put on."""

import asyncio
import collections
import re
import threading

from .failure import Failure
from .load import TASKS
from .seen import SIZE_BOUNDS, Seen


class Target:
    """An HTTP server on a thread of its own that counts what it answers, by run: `/RUN/TASK`."""

    def __init__(self):
        self.truths = collections.defaultdict(lambda: Seen("truth"))
        self.statuses = collections.defaultdict(collections.Counter)
        # The task of each trace and span.
        self.traces = collections.defaultdict(dict)
        self.loop = asyncio.new_event_loop()
        self.port = None
        started = threading.Event()
        threading.Thread(target=self.serve, args=(started,), daemon=True).start()
        if not started.wait(10):
            raise Failure("the target does not start")

    def serve(self, started):
        async def main():
            server = await self.loop.create_server(lambda: Connection(self), "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            started.set()
            await server.serve_forever()

        self.loop.run_until_complete(main())

    def answer(self, head):
        """The answer to one request, counted; None to hang up. And how long to wait with it."""
        run, at = head.split(" ", 2)[1].strip("/").split("/")
        if trace := re.search(r"\r\ntraceparent: 00-(\w+)-(\w+)-01(?:\r\n|\Z)", head, re.I):
            self.traces[run][trace.groups()] = int(at)
        task, truth, statuses = TASKS[int(at)], self.truths[run], self.statuses[run]
        status = task.statuses[truth.size[int(at)].cumulative[-1] % len(task.statuses)]
        statuses[status] += 1
        truth.requests[int(at), task.outcome(status)] += 1
        truth.size[int(at)].add(SIZE_BOUNDS, task.body_bytes(status))
        if status == 0:
            return None, task.delay
        length = "" if status == 204 else f"Content-Length: {task.size}\r\n"
        head = f"HTTP/1.1 {status} Because\r\n{length}\r\n".encode()
        return head + b"x" * task.body_bytes(status), task.delay


class Connection(asyncio.Protocol):
    def __init__(self, target):
        self.target, self.received = target, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.received += data
        # The engine sends no bodies, and one request after the other.
        head, end, rest = self.received.partition(b"\r\n\r\n")
        if end:
            self.received = rest
            answer, delay = self.target.answer(head.decode())
            self.target.loop.call_later(delay, self.send, answer)

    def send(self, answer):
        if answer is None:
            self.transport.close()
        else:
            self.transport.write(answer)

"""This machine: ports, HTTP, datagrams dropped, and waiting."""

import contextlib
import os
import pathlib
import socket
import time
import urllib.error
import urllib.request


def free_ports(count):
    """Ports that nobody uses, neither over TCP nor over UDP."""
    with contextlib.ExitStack() as stack:
        ports = []
        while len(ports) < count:
            tcp, udp = (stack.enter_context(socket.socket(socket.AF_INET, kind))
                        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM))
            tcp.bind(("127.0.0.1", 0))
            with contextlib.suppress(OSError):
                udp.bind(tcp.getsockname())
                ports.append(tcp.getsockname()[1])
        return ports


# No proxy of the environment: everything is on this machine.
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def http(url, data=None, method=None, headers=None, timeout=10):
    """Status and body, of errors too."""
    request = urllib.request.Request(url, data=data, method=method, headers=headers or {})
    try:
        with opener.open(request, timeout=timeout) as response:
            return response.status, response.read(), response.headers
    except urllib.error.HTTPError as error:
        return error.code, error.read(), error.headers


def answers(url):
    try:
        return http(url, timeout=2)[0] < 300
    except OSError:
        return False


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2):
        return True
    return False


def udp_drops(port):
    """How many datagrams the kernel has dropped at the socket bound to `port`; None where there is none."""
    rows = [row.split() for path in ("/proc/net/udp", "/proc/net/udp6") if os.path.exists(path)
            for row in pathlib.Path(path).read_text().splitlines()[1:]]
    drops = [int(row[-1]) for row in rows if row[1].endswith(f":{port:04X}")]
    return sum(drops) if drops else None


def wait_until(condition, seconds):
    """The first true value of `condition`, or its last."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.1)
    return value

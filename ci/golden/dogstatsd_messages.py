"""Messages as Datadog's client writes them."""

from decimal import Decimal

from datadog.dogstatsd import base as dogstatsd_base
from datadog.dogstatsd.base import DogStatsd

from model import NANOS_PER_MILLI, NANOS_PER_SECOND, own_parts

# The client replaces more characters of a tag than the contract does.
dogstatsd_base.normalize_tags = lambda tags: tags
# A request that is sampled is sent.
dogstatsd_base.random = lambda: 0
# Longest tag (DataDog/documentation, getting_started/tagging), and what stands at the end of one that was cut.
TAG_CHARACTERS = 200
CUT_MARK = len("~0123456789abcdef")


class Captured:
    """A socket that keeps what is sent."""

    def __init__(self):
        self.packets = []

    def send(self, packet):
        self.packets.append(packet)
        return len(packet)

    def close(self):
        pass

    def text(self):
        packets = [packet if isinstance(packet, bytes) else packet.encode() for packet in self.packets]
        return b"\n".join(packet.rstrip(b"\n") for packet in packets) + b"\n"


def messages(case):
    captured = Captured()
    asked = case.format_options("dogstatsd")
    for series, request in case.events:
        client = client_for(case, series, captured)
        tags = [*tags_of(series), f"outcome:{request['outcome']}"]
        latency = plain(Decimal(request["latency_ns"]) / NANOS_PER_MILLI)
        rate = asked.get("sample_rate", 1)
        # Counters alone tell the kind of a failure.
        kind = case.kind(request)
        counted = tags + ([f"error_type:{kind}"] if kind else [])
        if asked.get("timestamps"):
            seconds = request["completed_at"] // NANOS_PER_SECOND
            client.count_with_timestamp("requests", 1, seconds, tags=counted, sample_rate=rate)
        else:
            client.increment("requests", 1, tags=counted, sample_rate=rate)
        if asked.get("distributions"):
            client.distribution("request.latency", latency, tags=tags, sample_rate=rate)
            client.distribution("response.size", request["response_bytes"], tags=tags, sample_rate=rate)
        else:
            client.timing("request.latency", latency, tags=tags, sample_rate=rate)
            client.histogram("response.size", request["response_bytes"], tags=tags, sample_rate=rate)
    return captured.text()


def instruments(case):
    """Per interval, as if all observations had come in one: sums are counters, what is known of single values gauges. They
    are never sampled and have no times."""
    if not case.instruments:
        return None
    captured = Captured()
    for instrument in case.instruments.values():
        for series, values in case.news(instrument):
            client = client_for(case, series, captured)
            tags = tags_of(series)
            if instrument.is_counter:
                client.increment(instrument.name, sum(values), tags=tags)
                continue
            client.increment(f"{instrument.name}.count", len(values), tags=tags)
            for part, value in own_parts(values):
                send = client.increment if part == "sum" else client.gauge
                shown = plain(Decimal(value) / NANOS_PER_MILLI) if instrument.is_timer else value
                send(f"{instrument.name}.{part}", shown, tags=tags)
    return captured.text()


def observations(case):
    """Each by itself, sampled and typed as requests are."""
    if not case.instruments:
        return None
    captured = Captured()
    asked = case.format_options("dogstatsd")
    rate = asked.get("sample_rate", 1)
    for instrument, series, value in case.observations:
        client = client_for(case, series, captured)
        tags = tags_of(series)
        shown = plain(Decimal(value) / NANOS_PER_MILLI) if instrument.is_timer else value
        if instrument.is_counter:
            send = client.increment
        elif asked.get("distributions"):
            send = client.distribution
        else:
            send = client.timing if instrument.is_timer else client.histogram
        send(instrument.name, shown, tags=tags, sample_rate=rate)
    return captured.text()


def tags_of(series):
    return [f"{key}:{without_unfit(cut(key, value))}" for key, value in series.labels]


def client_for(case, series, captured):
    asked = case.format_options("dogstatsd")
    # A value that the user wrote keeps its colons: Datadog splits a tag at the first.
    constant = [f"{key}:{without_unfit(value, '|,#')}" for key, value in case.constant_beside(series.labels)]
    client = DogStatsd(namespace="loaddensity", disable_buffering=True, disable_telemetry=True,
                       origin_detection_enabled=False, constant_tags=constant,
                       container_id=asked.get("container"), cardinality=asked.get("cardinality"))
    # The client has no parameter for it: it reads the environment.
    client._external_data = asked.get("external")
    client.socket = captured
    return client


def cut(key, value):
    """Datadog cuts a tag after 200 characters. A value that would be is cut here, with zeros for the hash that tells it
    from others: the hash is the project's own."""
    most = TAG_CHARACTERS - len(f"{key}:")
    return value if len(value) <= most else f"{value[:most - CUT_MARK]}~{0:016}"


def without_unfit(text, special="|,:#"):
    return "".join("_" if char in special or ord(char) < 32 or ord(char) == 127 else char for char in text)


def plain(number):
    """A decimal without exponent and without zeros at its end."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text

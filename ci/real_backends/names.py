"""How backends show the names of requests."""

import re

# Names are cut at 255 bytes, of which `~` and 16 hex digits are the mark.
NAME_BYTES, CUT_BYTES = 255, 238
# Datadog cuts a tag at 200 characters, the key among them.
TAG_CHARACTERS, CUT_CHARACTERS = 195, 178


def shown(backend, name):
    """What `backend` has to show for `name`; a hash is written as HASH."""
    name = name or "unknown"
    if len(name.encode()) > NAME_BYTES:
        name = name.encode()[:CUT_BYTES].decode(errors="ignore") + "~HASH"
    if backend == "datadog" and len(name) > TAG_CHARACTERS:
        name = name[:CUT_CHARACTERS] + "~HASH"
    if backend == "datadog":
        return re.sub(r"[|,:#\x00-\x1f\x7f-\x9f]", "_", name)
    if backend == "influxdb":
        return re.sub(r"[\x00-\x1f\x7f]", "_", re.sub(r"\\(?=[\\,= ]|\Z)", "_", name))
    return name

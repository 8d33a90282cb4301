"""The output."""


class Report:
    """One line for each backend of each run."""

    def __init__(self):
        self.failed = False

    def line(self, run, backend, found, detail=""):
        self.failed |= bool(found)
        verdict, detail = ("DIFFERS", "") if found else ("ok", detail)
        print(f"{verdict:8}{run.runtime:6}{run.transport:5}{backend:15}{detail}", flush=True)
        for text in found[:20]:
            print(f"        {text}", flush=True)
        if found[20:]:
            print(f"        and {len(found) - 20} more", flush=True)

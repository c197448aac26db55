"""One decision without a front, both header forms: all the CPU time of the process, records and metrics included."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from .bare_python import NAME, BarePython
from .configs import Shape
from .corpus import Signer, corpus
from .effort import Effort
from .in_process import alternate, one_pass, warm
from .service import running_service
from .targets import Figure

ROUTES = 100


def measure_engine(folder: Path, effort: Effort) -> Iterable[Figure]:
    """µs for a warm token with the headers as a map, and as Envoy's raw header_map."""
    signer = Signer()
    mapped, raw = corpus(signer, ROUTES, "headers"), corpus(signer, ROUTES, "header_map")
    with running_service(folder, signer.jwks(), Shape(routes=ROUTES)) as service:
        warm(service.checks, [*mapped, *raw])
        figures = alternate(effort.passes, lambda: one_pass(service.checks, mapped), lambda: one_pass(service.checks, raw), BarePython())
    for name, passes in zip(("engine-headers", "engine-header-map", NAME), figures, strict=True):
        details: dict[str, object] = {"least": round(min(passes), 2), "most": round(max(passes), 2)}
        if name != NAME:
            details["decisions"] = len(passes) * len(mapped)
        yield Figure(name=name, value=median(passes), details=details)

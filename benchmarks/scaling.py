"""A large configuration beside a small one, in turn: the cost of a decision should not know the difference."""

from collections.abc import Iterable
from pathlib import Path
from statistics import median

from .configs import Shape
from .corpus import Signer, corpus
from .effort import Effort
from .in_process import alternate, one_pass, ratio, warm
from .service import running_service
from .targets import Figure


def measure_routes(folder: Path, effort: Effort) -> Iterable[Figure]:
    """10,000 routes (1,000 of them in use) against 10."""
    yield _compare("routes", folder, effort, Shape(routes=10_000), Shape(routes=10))


def measure_roles(folder: Path, effort: Effort) -> Iterable[Figure]:
    """5,000 roles against 5."""
    yield _compare("roles", folder, effort, Shape(roles=5_000), Shape(roles=5))


def _compare(name: str, folder: Path, effort: Effort, large: Shape, small: Shape) -> Figure:
    signer = Signer()
    much, little = corpus(signer, large.routes, "headers"), corpus(signer, small.routes, "headers")
    with running_service(folder / "large", signer.jwks(), large) as big, running_service(folder / "small", signer.jwks(), small) as tiny:
        warm(big.checks, much)
        warm(tiny.checks, little)
        above, below = alternate(effort.passes, lambda: one_pass(big.checks, much), lambda: one_pass(tiny.checks, little))
    details: dict[str, object] = {"large_us": round(median(above), 2), "small_us": round(median(below), 2)}
    return Figure(name=name, value=ratio(above, below), details=details)

"""What attribute policies cost on top of RBAC, and what a candidate configuration costs the active one."""

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from .configs import Shape
from .corpus import Signer, corpus
from .corpus_file import write_corpus
from .effort import Effort
from .fronts import drive
from .in_process import alternate, one_pass, ratio, warm
from .plan import Plan, Target
from .servers import address_of, start_sidecar
from .service import Service, running_service
from .targets import Figure

ROUTES = 100
SHARE = 0.1


def measure_policies(folder: Path, effort: Effort) -> Iterable[Figure]:
    """The source document's policy, and the same in CEL, warm token and warm owner; 1,000 policies against 3."""
    signer = Signer()
    messages = corpus(signer, ROUTES, "headers", department="eng", level=1)

    with ExitStack() as stack:

        def service(name: str, shape: Shape) -> Service:
            made = stack.enter_context(running_service(folder / name, signer.jwks(), shape))
            warm(made.checks, messages)
            return made

        plain, policy, cel = (service(rule or "plain", Shape(rule=rule)) for rule in ("", "document", "cel"))
        passes = alternate(effort.passes, *((lambda one=one: one_pass(one.checks, messages)) for one in (plain, policy, cel)))
        for name, above in (("policy", passes[1]), ("policy-cel", passes[2])):
            added = [one - other for one, other in zip(above, passes[0], strict=True)]
            details: dict[str, object] = {"with_us": round(median(above), 2), "rbac_us": round(median(passes[0]), 2)}
            yield Figure(name=name, value=median(added), details=details)
    with ExitStack() as stack:
        many = service("many", Shape(rule="conditions", policies=1_000))
        few = service("few", Shape(rule="conditions", policies=3))
        much, little = alternate(effort.passes, lambda: one_pass(many.checks, messages), lambda: one_pass(few.checks, messages))
        yield Figure(
            name="policies", value=ratio(much, little), details={"many_us": round(median(much), 2), "few_us": round(median(little), 2)}
        )


def measure_shadow(folder: Path, effort: Effort) -> Iterable[Figure]:
    """Calls per second without a candidate, divided by those with one that decides a tenth of the checks."""
    folder.mkdir(parents=True)
    signer, messages = Signer(), folder / "corpus"
    write_corpus(messages, corpus(signer, ROUTES, "headers"))
    with ExitStack() as stack:
        targets = []
        for name, share in (("without", 0.0), ("with", SHARE)):
            running = start_sidecar(folder / name, signer.jwks(), "native", address_of("tcp", folder, name), shadow=share)
            stack.callback(running.process.kill)
            targets.append(Target(name=name, address=running.address, pid=running.pid, corpus=str(messages)))
        rounds = drive(Plan(targets=tuple(targets), rounds=effort.rounds, seconds=effort.seconds, warmup=effort.warmup))
    without, beside = ([one for one in rounds if one.target == name] for name in ("without", "with"))
    details: dict[str, object] = {"cpu": round(ratio([one.cost for one in beside], [one.cost for one in without]), 3)}
    yield Figure(name="shadow", value=ratio([one.rate for one in without], [one.rate for one in beside]), details=details)

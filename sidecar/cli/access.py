"""``sidecar access``."""

import click

from sidecar.model.errors import SidecarError

from .output import examples, fail
from .reviews import print_review, review_options
from .times import moment


@click.command(
    "access",
    epilog=examples(
        "sidecar access role:editor --config config.yaml",
        "sidecar access corp:john@example.com --config config.yaml         # of `users`; corp:SUBJECT works, too",
        "sidecar access key:partners/billing-1 --config config.yaml",
        "sidecar access anonymous --config config.yaml --output csv > review.csv",
    ),
)
@click.argument("principal", metavar="PRINCIPAL")
@review_options
def command(principal: str, config: str, at: str | None, no_files: bool, output: str) -> None:
    """List every route that a principal may use, and how it comes by that.

    PRINCIPAL is ISSUER:SUBJECT, ISSUER:EMAIL, key:STORE/ID, role:NAME or anonymous. Access that hinges on attribute policies, or on what
    the token carries besides, is `depends`, with its conditions. What is not listed is denied.

    Exit 0: done. 1: the configuration is invalid. 3: there is no such principal.
    """
    from sidecar.app.review.run import review_access  # noqa: PLC0415 - starts the validator

    wall = moment(at)
    try:
        review = review_access(config, principal, with_files=not no_files, wall=wall)
    except (SidecarError, OSError) as error:
        fail(error, "json" if output == "json" else "text")
    print_review(review, output, by_route=True)

"""``sidecar who-can``."""

import click

from sidecar.model.errors import SidecarError

from .output import examples, fail
from .reviews import print_review, review_options
from .times import moment


@click.command(
    "who-can",
    epilog=examples(
        "sidecar who-can create-post --config config.yaml                  # a route, by its name",
        "sidecar who-can posts:create --config config.yaml                 # a permission",
        "sidecar who-can posts:create --config config.yaml --output csv > review.csv",
    ),
)
@click.argument("asked", metavar="PERMISSION|ROUTE")
@click.option("--permission", is_flag=True, help="It is a permission, even if a route has that name.")
@review_options
def command(asked: str, permission: bool, config: str, at: str | None, no_files: bool, output: str) -> None:
    """List everybody who may use a route, or who has a permission, and how they come by it.

    Role holders by issuer, people of `users`, API keys, anonymous callers, each with the chain from role over inherited role to permission.
    Access that hinges on attribute policies, on what else a token carries or on another role is `depends`, with its conditions. Whoever is
    not listed may not.

    Exit 0: done. 1: the configuration is invalid. 3: there is no such route or permission.
    """
    from sidecar.app.review.run import review_who_can  # noqa: PLC0415 - starts the validator

    wall = moment(at)
    try:
        review = review_who_can(config, asked, permission=permission, with_files=not no_files, wall=wall)
    except (SidecarError, OSError) as error:
        fail(error, "json" if output == "json" else "text")
    print_review(review, output, by_route=False)

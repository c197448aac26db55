"""All mutants, in the order of a request's way through the code."""

from .mutant import Mutant
from .of_attributes import ATTRIBUTES
from .of_authz import AUTHZ, GUARD
from .of_credentials import CREDENTIALS, KEYS
from .of_engine import DECISION, IDENTITY
from .of_memory import MEMORY
from .of_places import PLACES
from .of_policies import POLICIES
from .of_tokens import TOKENS
from .of_wire import FRONTS, WIRE

MUTANTS: tuple[Mutant, ...] = (
    *FRONTS,
    *WIRE,
    *MEMORY,
    *PLACES,
    *DECISION,
    *IDENTITY,
    *CREDENTIALS,
    *TOKENS,
    *KEYS,
    *AUTHZ,
    *POLICIES,
    *ATTRIBUTES,
    *GUARD,
)

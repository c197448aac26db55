"""RSA keys that a broken chip generated and anyone can factor (ROCA, CVE-2017-15361; Nemec et al., CCS 2017)."""

_GENERATOR = 65537
_PRIMES = (
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109, 113, 127, 131, 137,
    139, 149, 151, 157, 163, 167,
)  # fmt: skip


def _subgroup(prime: int) -> int:
    """The residues that the generator reaches modulo ``prime``, as a bit mask."""
    mask, residue = 0, 1
    while not mask >> residue & 1:
        mask |= 1 << residue
        residue = residue * _GENERATOR % prime
    return mask


_REACHED = tuple((prime, _subgroup(prime)) for prime in _PRIMES)


def has_roca_fingerprint(modulus: int) -> bool:
    """Tell whether the modulus has the form that such chips gave it; fewer than one in a hundred million sound ones do."""
    return all(mask >> modulus % prime & 1 for prime, mask in _REACHED)

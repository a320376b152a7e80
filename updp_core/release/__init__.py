"""The release folder, and `verify`. The files are described in docs/release-format.md, the risks in threat-model.md."""

from updp_core.release.pair import Refusal, ReleasePair, ReleaseRefused
from updp_core.release.signature import PublicKey, SigningKey
from updp_core.release.verifying import FORMAT, Checked, Problem, check, release_digest, verify
from updp_core.release.writing import ReleaseResult, clean_leftovers, write_release

__all__ = [
    "FORMAT",
    "Checked",
    "Problem",
    "PublicKey",
    "Refusal",
    "ReleasePair",
    "ReleaseRefused",
    "ReleaseResult",
    "SigningKey",
    "check",
    "clean_leftovers",
    "release_digest",
    "verify",
    "write_release",
]

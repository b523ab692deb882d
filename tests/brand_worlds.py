"""What tests of the task `logos` share: an account's identity."""

from pipeline.brands.account import RunIdentity
from pipeline.brands.profiles import Profile


def identity(profile: Profile) -> RunIdentity:
    return RunIdentity(
        stream="match",
        media="0" * 64,
        models={"logos.safetensors": "1" * 64},
        gallery="2" * 64,
        brands=("Acme", "Bolt"),
        profile=profile,
        config="3" * 64,
    )

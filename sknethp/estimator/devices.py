"""The device on which to train."""

import torch


def resolve_device(name: str) -> torch.device:
    """Return the device of a name, ``"auto"`` included; a ValueError if it is not available."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    kind, _, number = name.partition(":")
    present = {
        "cpu": 1,
        "cuda": torch.cuda.device_count(),
        "mps": int(torch.backends.mps.is_available()),
    }
    valid = kind in present and (not number or number.isdigit())
    if not valid or present[kind] <= int(number or 0):
        here = [
            repr(kind if number == 0 else f"{kind}:{number}")
            for kind, count in present.items()
            for number in range(count)
        ]
        raise ValueError(
            f"device={name!r} is not available: torch {torch.__version__} finds "
            f"{', '.join(here)} on this machine; use one of these, or 'auto'."
        )
    return torch.device(name)

# SPDX-License-Identifier: GPL-3.0-or-later
"""The parameters of self-rectification: names of the paper, published defaults, bounds. No PyTorch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from ...engine import Setting, declared, setting
from ...problems import Problem

MOST_COPIES = 32  # of each reference; each costs as much as another reference


@dataclass(frozen=True)
class Settings:
    """Published defaults (arXiv 2401.02847, section 4), but for `patches` and `colour_match`; `seed` shuffles the background."""

    steps: int = setting(50, "Steps", "T, the DDIM steps: more follow the picture more closely and take longer", 2, 250)
    p1: int = setting(20, "Structure, round 1", "P1: inversion steps of round 1 that hold the target's layout", 0, 250)
    s1: int = setting(20, "Detail after, round 1", "S1: sampling steps of round 1 before the reference's detail comes in", 0, 250)
    p2: int = setting(5, "Structure, round 2", "P2: inversion steps of round 2 that hold the target's layout", 0, 250)
    s2: int = setting(5, "Detail after, round 2", "S2: sampling steps of round 2 before the reference's detail comes in", 0, 250)
    rounds: int = setting(2, "Rounds", "1 settles the layout; 2, as in the paper, also refines the detail", 1, 2)
    injection: str = setting(
        "current",
        "Injection",
        "current: keys and values of a stored latent, computed at the running timestep (as in the published pictures); "
        "recorded: those met during the inversion itself, which needs fewer network calls",
        choices=("current", "recorded"),
    )
    last_up_levels: int = setting(2, "Injected levels", "How many of the last up levels with self-attention are injected into", 1, 4)
    augment: int = setting(0, "Turned references", "Further copies of each reference: rotated (1 to 3), mirrored (4 to 7)", 0, 7)
    turns: str = setting(
        "off",
        "Copies",
        "auto: further copies of each reference, turned, mirrored and scaled as the pieces in the target are, or, where it was drawn, "
        "turned into its directions. Patches find that by themselves. Each copy costs network calls",
        choices=("off", "auto"),
    )
    angles: tuple[float, ...] = setting(
        (), "Angles", "Further copies of each reference, turned clockwise by these degrees", -360.0, 360.0
    )
    flips: bool = setting(False, "Mirrored", "Mirrored copies of the reference, too, for pieces that are the other way round")
    scales: tuple[float, ...] = setting(
        (), "Scales", "Further copies of each reference of other sizes: 0.5 for pieces half as large, 2 for twice", 0.25, 4.0
    )
    background_eta: float = setting(
        0.0,
        "Grow background",
        "0 samples deterministically everywhere, as in the paper; up to 1, the background grows more freely around what was placed",
        0.0,
        1.0,
    )
    window: int = setting(
        0,
        "Window",
        "Pixels: a larger target is worked on in overlapping windows of this side, so that memory stays the same; "
        "0: the size the model was trained for",
        0,
        8192,
    )
    adapt: int = setting(
        0,
        "Adapt",
        "Steps of training on the reference before the network works; kept for the next picture from it. Some hundred sharpen its own "
        "detail and take seconds on a GPU, minutes on a processor; 0: none, as in the paper",
        0,
        5000,
    )
    patches: str = setting(
        "auto",
        "Patches",
        "Draw the picture from pieces of the reference itself. off: the network alone, as in the paper; finish: after the network, "
        "for sharp detail; instead: no network; auto: instead with the embedded model, else off",
        choices=("auto", "off", "finish", "instead"),
    )
    tile_x: bool = setting(False, "Tile X", "Left and right edge meet: the picture repeats sideways")
    tile_y: bool = setting(False, "Tile Y", "Upper and lower edge meet: the picture repeats upwards")
    colour_match: float = setting(
        1.0,
        "Colour match",
        "How far a drift of the network's colours is undone, by the reference's; 0 leaves them, as in the paper. Colours that the target "
        "brings along stay. Patches need none",
        0.0,
        1.0,
    )
    true_pixels: float = setting(
        0.0,
        "True pixels",
        "Rebuild the picture from the reference's own pixels, as sharp as they are: 0 keeps it as it was made, 1 replaces all of it",
        0.0,
        1.0,
    )
    estimate: str = setting(
        "none",
        "Estimate maps",
        "Guess maps that the material lacks: the height from the base colour, the normal map from the height. A guess, not a measurement",
        choices=("none", "height", "normal", "both"),
    )
    seed: int = 0

    @classmethod
    def of(cls, settings: Settings | dict[str, Any] | None) -> Settings:
        """Settings from Settings, a dict by name (what is absent takes its default) or None, checked.

        Raises Problem bad_input for a name that does not exist or a value out of its bounds.
        """
        if isinstance(settings, dict):
            unknown = sorted(set(settings) - set(cls.__dataclass_fields__))
            if unknown:
                names = ", ".join(cls.__dataclass_fields__)
                raise Problem("bad_input", f"There is no setting called {', '.join(unknown)}.", f"The settings are: {names}.")
            settings = cls(**{name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()})
        settings = settings or cls()
        settings.check()
        return settings

    def check(self) -> None:
        """Raise Problem bad_input, with what was expected and what came, for the first value out of its bounds."""
        for entry in declared(type(self)):
            value = getattr(self, entry.name)
            if entry.kind == "enum":
                if value not in entry.choices:
                    raise Problem("bad_input", f"{entry.name} is {value!r}.", f"Choose one of: {', '.join(entry.choices)}.")
            elif entry.kind == "numbers":
                _check_numbers(entry, value)
            elif entry.kind == "bool":
                if not isinstance(value, bool):
                    raise Problem("bad_input", f"{entry.name} is {value!r}.", "Give true or false.")
            elif not _is_number(value, entry.kind) or not entry.minimum <= value <= entry.maximum:
                kind = "a whole number" if entry.kind == "int" else "a number"
                raise Problem(
                    "bad_input", f"{entry.name} is {value!r}.", f"Give {kind} from {entry.minimum:g} to {entry.maximum:g}."
                )
        copies = self.augment + (1 + len(self.angles)) * (1 + self.flips) * (1 + len(self.scales))
        if copies > MOST_COPIES:
            sentence = f"Angles, mirroring and scales together make {copies} copies of each reference."
            raise Problem("bad_input", sentence, f"At most {MOST_COPIES} can be worked with: give fewer angles or scales.")
        if not _is_number(self.seed, "int") or not 0 <= self.seed < 2**63:
            raise Problem("bad_input", f"seed is {self.seed!r}.", "Give a whole number from 0 to 2^63 − 1.")

    def as_dict(self) -> dict[str, Any]:
        """All parameters but the seed, JSON-ready, for the record."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        del values["seed"]
        return values

    def round_parameters(self) -> list[tuple[int, int]]:
        """(P, S) of each round that is run."""
        return [(self.p1, self.s1), (self.p2, self.s2)][: self.rounds]


def _check_numbers(entry: Setting, value: Any) -> None:
    low, high = entry.minimum, entry.maximum
    if not isinstance(value, tuple) or not all(_is_number(one, "float") and low <= one <= high for one in value):
        raise Problem("bad_input", f"{entry.name} is {value!r}.", f"Give numbers from {low:g} to {high:g}, such as {low:g},{high:g}.")


def _is_number(value: Any, kind: str) -> bool:
    return not isinstance(value, bool) and isinstance(value, int if kind == "int" else (int, float))

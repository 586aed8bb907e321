# SPDX-License-Identifier: GPL-3.0-or-later
"""Which place of which reference is attended to in the last steps: looked at without changing the picture, and only when asked for."""

from __future__ import annotations

import math

import numpy as np
import pytest
import selfrect
import tiny_models
import torch
from selfrect.engine import Request
from selfrect.engines.self_rectification import attending, method, preparation
from selfrect.engines.self_rectification.attending import Attending, strongest
from selfrect.engines.self_rectification.places import Places
from selfrect.engines.self_rectification.turned import copy_of
from selfrect.engines.self_rectification.windows import Box
from selfrect.models.attention import Bias
from selfrect.patches.sources import Pose

QUICK = {"steps": 8, "p1": 3, "s1": 3, "p2": 2, "s2": 1, "colour_match": 0.0, "patches": "off"}
SIDE, FACTOR, WIDTH = 12, 8, 32
UPRIGHT = Pose()


def codes(count, seed=0):
    """Directions that are far from each other, (count, WIDTH)."""
    return torch.nn.functional.normalize(torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=1)


def attended(copies, pieces, query, boxes=None, halved=0):
    """What `Attending` makes of layers whose keys are `codes`. query (SIDE·SIDE,): the key that each latent pixel asks for."""
    places = Places(copies, pieces, FACTOR)
    keys = codes(len(places.of_keys(halved)[0]))
    looking = Attending((SIDE, SIDE), 20, places)
    for step in range(17, 21):
        watch = looking.at(step)
        for box in boxes or [None]:
            part = watch.within(box) if box else watch
            asked = part.here.flatten() if halved == 0 else None
            wanted = keys[query if asked is None else query[asked]]
            for layer in ("one", "other"):
                noise = codes(len(wanted), seed=step) * 0.3
                part.see(layer, (wanted + noise).expand(1, 2, -1, -1) * 30, keys.expand(1, 2, -1, -1), 1.0, None)
    return looking.resolve()


def plain_copy(number=0, pose=UPRIGHT, size=SIDE * FACTOR):
    return copy_of(np.zeros((size, size, 3), np.float32), number, pose, FACTOR)[1]


def middles(side=SIDE):
    y, x = torch.meshgrid((torch.arange(side) + 0.5) / side, (torch.arange(side) + 0.5) / side, indexing="ij")
    return x, y


def test_the_strongest_of_a_plain_softmax():
    generator = torch.Generator().manual_seed(2)
    query, key = (torch.randn(1, 3, tokens, 16, generator=generator) for tokens in (50, 70))
    bias = Bias(torch.randn(50, 2, generator=generator), torch.nn.functional.one_hot(torch.arange(70) % 2, 2).float())
    plain = torch.softmax(query @ key.transpose(2, 3) * 0.25 + bias.query @ bias.key.T, 3).mean(1)[0]
    weights, numbers = strongest(query, key, 0.25, bias)
    torch.testing.assert_close(weights, plain.sort(1, descending=True).values[:, : attending.BEST])
    assert torch.equal(numbers[:, 0], plain.argmax(1))


def test_some_queries_at_a_time(monkeypatch):
    query, key = (codes(tokens, seed).expand(1, 2, -1, -1) * 9 for seed, tokens in ((0, 50), (1, 70)))
    whole = strongest(query, key, 1.0, None)
    monkeypatch.setattr(attending, "BYTES", 4 * 2 * 70 * 7)
    for one, other in zip(strongest(query, key, 1.0, None), whole, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("boxes", [None, [Box(0, 0, SIDE, 8), Box(0, 6, SIDE, 8)]], ids=["whole", "windows around the edge"])
def test_where_each_place_looks(boxes):
    """Place n asks for what lies 5 to the right and 3 below."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    query = ((y + 3) % SIDE * SIDE + (x + 5) % SIDE).flatten()
    field = attended([plain_copy()], [[Box(0, 0, SIDE, SIDE)]], query, boxes)
    wanted_x, wanted_y = (part.roll((-3, -5), (0, 1)) for part in middles())
    torch.testing.assert_close(field.x, wanted_x, atol=0.02, rtol=0)
    torch.testing.assert_close(field.y, wanted_y, atol=0.02, rtol=0)
    assert field.sizes == ((SIDE, SIDE),)
    assert field.mirrored is None


def test_copies_and_pieces_lead_back_to_their_reference(monkeypatch):
    """Two references, of the second an upright copy in two pieces and one turned by 30° whose corners offer no keys."""
    monkeypatch.setattr(attending, "TRUSTED", 0.0)  # what is asked for here lies in no order
    copies = [plain_copy(), plain_copy(1), plain_copy(1, Pose(math.radians(30), True))]
    pieces = [[Box(0, 0, SIDE, SIDE)], [Box(0, 0, SIDE, 8), Box(0, 4, SIDE, 8)], [Box(0, 0, SIDE, SIDE)]]
    image, at = Places(copies, pieces, FACTOR).of_keys(0)
    shown = int(copies[2].shown.sum())
    assert (image == 0).sum() == SIDE**2
    assert (image == 1).sum() == 2 * SIDE * 8
    assert (image == 2).sum() == shown < SIDE**2
    query = torch.arange(len(image)).flip(0)[: SIDE**2]  # the turned copy, then the second reference's right piece
    field = attended(copies, pieces, query)
    flat = image[query].view(SIDE, SIDE)
    assert torch.equal(field.reference, (flat > 0).long())
    assert torch.equal(field.mirrored, flat == 2)
    assert field.angle.unique().tolist() == pytest.approx([0, math.radians(30)])
    upright = flat == 1
    torch.testing.assert_close(field.x[upright], at[query].view(SIDE, SIDE, 2)[upright][:, 0] / SIDE, atol=0.03, rtol=0)
    matrix = copies[2].to_reference
    turned = torch.cat([at[query].double() * FACTOR - 0.5, torch.ones(SIDE**2, 1)], 1) @ matrix.T / (SIDE * FACTOR) + 0.5 / (SIDE * FACTOR)
    near = (field.y.flatten() - turned[:, 1].float()).abs()[(flat == 2).flatten()]
    assert near.max() < 0.05


def test_a_network_without_attention_at_full_size():
    """The finest layer is half as fine: each of its places stands for four latent pixels."""
    half = SIDE // 2
    field = attended([plain_copy()], [[Box(0, 0, SIDE, SIDE)]], torch.arange(half**2), halved=1)
    x, y = (part.repeat_interleave(2, 0).repeat_interleave(2, 1) for part in middles(half))
    torch.testing.assert_close(field.x, x, atol=0.03, rtol=0)
    torch.testing.assert_close(field.y, y, atol=0.03, rtol=0)


def test_a_turned_copy_hangs_together_in_its_reference():
    """Where the mirrored copy turned by 30° is shown, each place asks for the same place of it."""
    turned = plain_copy(0, Pose(math.radians(30), True))
    query = torch.arange(SIDE**2)
    query[turned.shown.flatten()] = SIDE**2 + torch.arange(int(turned.shown.sum()))
    field = attended([plain_copy(), turned], [[Box(0, 0, SIDE, SIDE)]] * 2, query)
    assert attending.togetherness(field) > 0.8


def test_chance_is_not_trusted():
    whole = [Box(0, 0, SIDE, SIDE)]
    assert attended([plain_copy()], [whole], torch.randperm(SIDE**2, generator=torch.Generator().manual_seed(0))) is None
    assert attended([plain_copy()], [whole], torch.full((SIDE**2,), 17)) is None


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return selfrect.load_model(tiny_models.make_pipeline(tmp_path_factory.mktemp("sd1"), "sd1"), device="cpu", dtype="float32")


def picture(seed, height=64, width=64):
    return np.random.default_rng(seed).random((height, width, 3), dtype=np.float32)


def made(model, monkeypatch, wanted, target=None, **settings):
    monkeypatch.setattr(preparation, "needs_correspondence", lambda request, settings: wanted)
    monkeypatch.setattr(attending, "TRUSTED", 0.0)  # random weights attend to chance
    asked = Request([picture(0), picture(1, 48, 96)], picture(2) if target is None else target, 0, {**QUICK, **settings})
    return method.synthesize(model, asked, lambda *_, **__: None)


@pytest.mark.parametrize("settings", [{}, {"angles": [30.0], "injection": "recorded"}], ids=["current", "recorded, turned"])
def test_looking_changes_nothing(model, monkeypatch, settings):
    watched, unwatched = made(model, monkeypatch, True, **settings), made(model, monkeypatch, False, **settings)
    np.testing.assert_array_equal(watched.image, unwatched.image)
    assert unwatched.correspondence is None
    field = watched.correspondence
    assert field.x.shape == field.reference.shape == (8, 8)
    assert field.sizes == ((8, 8), (12, 6))
    assert set(field.reference.unique().tolist()) <= {0, 1}
    assert 0 <= float(field.x.min()) <= float(field.x.max()) <= 1


def test_a_target_in_windows_is_seen_everywhere(model, monkeypatch):
    field = made(model, monkeypatch, True, picture(3, 128, 320), window=128, rounds=1).correspondence
    assert field.x.shape == (16, 40)
    assert float(field.x.std()) > 0.05


def test_without_injection_nothing_is_known(model, monkeypatch):
    assert made(model, monkeypatch, True, s1=8, s2=8).correspondence is None

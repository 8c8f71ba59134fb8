"""Announcements on virtual time: none twice as new, none silent without a written word, none that nobody paid."""

import pytest

from tests.gateway.world import World


def judged(seed: int, speakers: int, count: int) -> World:
    world = World(seed, speakers, count).play()
    assert world.wrong()[:5] == [], f"seed {seed}"
    return world


@pytest.mark.parametrize("seed", range(5))
def test_p7_holds_under_cuts_restarts_and_loss(seed: int) -> None:
    world = judged(seed, 120, 10_000)
    spoken = [one for speaker in world.speakers for one in speaker.box.spoken]
    assert world.restarts >= 1 and any(one.late for one in spoken) and any(one.announce_id.startswith("sum_") for one in spoken)
    assert sum(not one.late for one in spoken) > 5_000


def test_an_end_in_the_middle_of_a_restart_leaves_nobody_untold() -> None:
    """This seed's last payments are made while the gateway is dead: it starts again, and they are told."""
    world = judged(265, 30, 500)
    assert world.hub is not None and all(speaker.up is not None for speaker in world.speakers)


@pytest.mark.prove
@pytest.mark.parametrize("seed", range(100, 120))
def test_p7_holds_a_thousand_thousand_times(seed: int) -> None:
    world = judged(seed, 400, 50_000)
    print(f"seed {seed}: 50,000 announcements, {world.restarts} restarts, {len(world.told_in_writing)} told in writing, 0 wrong")

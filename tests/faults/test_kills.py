"""A kill at every named step where state is written, and ten at random ones: nothing promised is lost or half."""

import random

import pytest

from tests.faults.kills import Killer
from tests.faults.stories import STORIES

_RANDOM = 10

NAMED = [
    ("adapters", "open adapter_model.safetensors", 1, "the weights are copied"),
    ("adapters", "open manifest.json.tmp", 1, "the manifest is written"),
    ("adapters", "rename manifest.json.tmp", 2, "the manifest comes into place"),
    ("adapters", "rename .incoming", 1, "the version comes into place"),
    ("adapters", "INSERT adapter_versions", 2, "its row is written"),
    ("adapters", "COMMIT", 1, "its row is committed"),
    ("adapters", "remove .incoming", 2, "it is committed, and nobody was told"),
    ("adapters", "UPDATE adapter_versions", 2, "a version takes the place of another"),
    ("adapters", "INSERT adapter_production", 2, "the pointer moves"),
    ("adapters", "COMMIT", 5, "a use is committed"),
    ("adapters", "COMMIT", 7, "a rollback is committed"),
    ("approvals", "COMMIT", 1, "a request is committed"),
    ("approvals", "COMMIT", 2, "a decision is committed"),
    ("approvals", "COMMIT", 3, "a claim is committed"),
    ("approvals", "send the call", 1, "it is claimed, and not sent"),
    ("approvals", "hear the answer", 1, "it is sent, and not recorded"),
    ("approvals", "COMMIT", 4, "its result is committed"),
    ("keys", "open admin.key", 1, "the file of the first key is written"),
    ("keys", "INSERT server_keys", 1, "the first key is written, its file is there"),
    ("keys", "COMMIT", 2, "a key is committed"),
    ("keys", "COMMIT", 4, "a revocation is committed"),
    ("knowledge", "INSERT retrieval_stores", 1, "a store is made"),
    ("knowledge", "INSERT retrieval_vectors", 2, "vectors are laid down"),
    ("knowledge", "INSERT retrieval_documents", 2, "a document is written"),
    ("knowledge", "INSERT retrieval_passages", 3, "its passages are written"),
    ("knowledge", "DELETE retrieval_documents", 6, "a document is replaced"),
    ("knowledge", "rename 1.tmp", 1, "an index is written"),
    ("knowledge", "rename 1.tmp", 2, "an index comes into place"),
    ("personas", "open plain.yaml", 2, "the changed file is read"),
]


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Killer:
    return Killer(tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in NAMED]
)
def test_a_kill_at_a_named_step_loses_nothing(killer: Killer, story: str, step: str, time: int) -> None:
    killer.kill(story, (step, time))


def test_ten_kills_at_random_steps_lose_nothing(killer: Killer) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201  needed to repeat a failure
    chance = random.Random(seed)
    lengths = {story: len(killer.steps(story)) for story in STORIES}
    for _ in range(_RANDOM):
        story = chance.choice(sorted(STORIES))
        killer.kill(story, chance.randint(1, lengths[story]))

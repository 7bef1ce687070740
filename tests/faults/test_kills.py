"""A kill at every named step where state is written, and ten at random ones: nothing promised is lost or half."""

import random

import pytest

from tests.faults.document_stories import DOCUMENT_STORIES
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
    ("knowledge", "open 1.faiss.tmp", 1, "an index is written"),
    ("knowledge", "rename 1.faiss.tmp", 2, "an index comes into place"),
    ("knowledge", "rename 1.words.tmp", 1, "words come into place"),
    ("knowledge", "remove 1.words", 1, "the words of before make place for new ones"),
    ("knowledge", "UPDATE retrieval_stores", 15, "words are in place, not recorded"),
    ("personas", "open plain.yaml", 2, "the changed file is read"),
    ("datasets", "open draft", 1, "a data set begins to come in"),
    ("datasets", "rename draft", 1, "its bytes are durable, and not in their place"),
    ("datasets", "INSERT adapter_datasets", 1, "its bytes are in their place, without a row"),
    ("datasets", "COMMIT", 2, "the row of its second version is written"),
    ("datasets", "open draft", 4, "the second part of a split is written"),
    ("datasets", "rename draft", 4, "one part is in its place, the other is not"),
    ("datasets", "INSERT adapter_dataset_parts", 2, "one part has a row, the other has none"),
    ("datasets", "COMMIT", 3, "both rows are written"),
]

OF_DOCUMENTS = [
    ("uploads", "open draft", 1, "an upload begins"),
    ("uploads", "receive bytes", 2, "half of an upload is on the disk"),
    ("uploads", "receive bytes", 3, "all of its bytes are on the disk, its end is not"),
    ("uploads", "rename draft", 1, "it is durable, and not in its place"),
    ("uploads", "INSERT server_files", 1, "it is in its place, without a row"),
    ("uploads", "COMMIT", 2, "its row is written"),
    ("uploads", "answer", 1, "its row is committed, and nobody was told"),
    ("uploads", "unlink draft", 3, "the same bytes are there already"),
    ("uploads", "INSERT retrieval_store_files", 2, "a store is made with two files"),
    ("uploads", "answer", 4, "it is made, and nobody was told"),
    ("uploads", "DELETE retrieval_passages", 5, "a file is taken out of two stores to be deleted"),
    ("uploads", "DELETE server_files", 1, "it is out of the stores, its row is not deleted"),
    ("uploads", "unlink blob", 1, "its row is gone, its bytes are not"),
    ("uploads", "answer", 7, "it is deleted, and nobody was told"),
    ("uploads", "rename -1.words.tmp", 2, "words without it take the place of those with it"),
    ("stores", "COMMIT", 6, "an attachment is written"),
    ("stores", "answer", 5, "an attachment is committed, and nobody was told"),
    ("stores", "UPDATE retrieval_store_files", 1, "a waiting file is begun"),
    ("stores", "parse", 2, "it is parsed"),
    ("stores", "parsed", 2, "it has been parsed"),
    ("stores", "cut", 1, "it is split"),
    ("stores", "embed", 1, "it is embedded"),
    ("stores", "embed", 2, "it is embedded, between two batches"),
    ("stores", "INSERT retrieval_vectors", 2, "a batch of vectors is laid down"),
    ("stores", "INSERT retrieval_documents", 1, "all its vectors are there, it is swapped in"),
    ("stores", "INSERT retrieval_passages", 1, "its passages are written"),
    ("stores", "UPDATE retrieval_store_files", 2, "its passages are there, its status is not"),
    ("stores", "COMMIT", 10, "it is completed, not committed"),
    ("stores", "mkdir -1.words.tmp", 1, "its words are written"),
    ("stores", "open rows.npy", 1, "they are written, their rows are not"),
    ("stores", "rename -1.words.tmp", 1, "they are written beside"),
    ("stores", "UPDATE retrieval_stores", 2, "they are in place, not recorded"),
    ("stores", "COMMIT", 13, "they are recorded"),
    ("stores", "mkdir indexes", 2, "its index is built, not written"),
    ("stores", "open -1.faiss.tmp", 1, "its index is written"),
    ("stores", "rename -1.faiss.tmp", 1, "its index is written beside"),
    ("stores", "UPDATE retrieval_stores", 3, "its index is in place, not recorded"),
    ("stores", "COMMIT", 14, "its index is recorded"),
    ("stores", "INSERT retrieval_store_files", 3, "several files are attached together"),
    ("stores", "DELETE retrieval_passages", 5, "a file is taken out of a store"),
    ("stores", "answer", 9, "it is out of the store, and nobody was told"),
    ("stores", "remove -1.words", 2, "words without it are written beside those with it"),
    ("stores", "rename -1.words.tmp", 3, "words with it are gone, those without it not in place"),
    ("stores", "rename -1.faiss.tmp", 2, "an index without it takes the place of the one with it"),
    ("stores", "DELETE retrieval_vector_stores", 1, "a store is deleted"),
    ("stores", "DELETE retrieval_documents", 8, "a store is deleted, its passages are not"),
    ("stores", "answer", 11, "it is deleted, and nobody was told"),
    ("folders", "INSERT retrieval_documents", 5, "a changed file is swapped in"),
    ("folders", "DELETE retrieval_documents", 7, "a file that is gone is taken out"),
    ("folders", "rename 1.faiss.tmp", 2, "the index of the new edition is written beside"),
    ("folders", "rename 1.words.tmp", 2, "the words of the new edition are written beside"),
    ("folders", "INSERT retrieval_vectors", 13, "another embedder's vectors are laid beside the old ones"),
    ("folders", "UPDATE retrieval_stores", 18, "they are all there, the folder is switched over"),
    ("folders", "COMMIT", 33, "the switch is written"),
    ("folders", "rename 1.faiss.tmp", 3, "its index of the other embedder is written beside"),
    ("folders", "UPDATE retrieval_stores", 21, "a store of uploads is switched over"),
]


OF_HOOKS = [
    ("hooks", "INSERT server_hook_jobs", 1, "a question is taken in"),
    ("hooks", "UPDATE server_hook_jobs", 1, "it is written down, and not begun"),
    ("hooks", "ask", 1, "it is begun, and nobody was asked"),
    ("hooks", "answered", 1, "it is answered, and the answer is not written down"),
    ("hooks", "UPDATE server_hook_jobs", 2, "the answer is written down"),
    ("hooks", "INSERT server_hook_callbacks", 1, "the job is done, its callback is not written"),
    ("hooks", "answers arrives", 1, "the callback is written and sent"),
    ("hooks", "answers is answered", 1, "the callback is heard, and we do not know"),
    ("hooks", "UPDATE server_hook_callbacks", 1, "the callback is taken, and that is not written down"),
    ("hooks", "INSERT action_approvals", 1, "a call is put before a person"),
    ("hooks", "INSERT server_hook_callbacks", 2, "a call waits, and nobody was told"),
    ("hooks", "answers arrives", 2, "it is told that a call waits"),
    ("hooks", "UPDATE server_hook_jobs", 5, "the call is approved, the job does not go on"),
    ("hooks", "pay arrives", 1, "the call is claimed and sent"),
    ("hooks", "pay is answered", 1, "the call is made, and its result is not heard"),
    ("hooks", "ask", 2, "the call's result is written down, the model was not told"),
    ("hooks", "INSERT server_hook_callbacks", 3, "the job is done, its last callback is not written"),
    ("hooks", "UPDATE server_hook_callbacks", 3, "the last callback is taken, and that is not written down"),
]

OF_JOBS = [
    ("jobs", "INSERT adapter_jobs", 1, "its files are there, its row is not"),
    ("jobs", "UPDATE adapter_job_steps", 1, "they are validated, and that is not written down"),
    ("jobs", "INSERT adapter_job_steps", 2, "it waits to be trained"),
    ("jobs", "INSERT adapter_job_events", 10, "it is trained, past a checkpoint"),
    ("jobs", "rename .incoming", 1, "its version comes into place"),
    ("jobs", "UPDATE adapter_job_steps", 5, "it is evaluated, and the verdict is not written down"),
    ("jobs", "UPDATE adapter_versions", 2, "the gate moves it"),
    ("jobs", "INSERT server_files", 2, "one result is kept, the other is not"),
]


OF_ROLLOUTS = [
    ("rollouts", "UPDATE adapter_versions", 2, "a version is approved, nobody wrote down by whom"),
    ("rollouts", "INSERT adapter_rollouts", 1, "a version is in shadow, its rollout is not begun"),
    ("rollouts", "INSERT adapter_rollout_steps", 1, "a rollout is begun, nobody wrote down by whom"),
    ("rollouts", "COMMIT", 6, "a start is written, not committed"),
    ("rollouts", "UPDATE adapter_rollouts", 1, "a version is in the canary, its rollout is still in shadow"),
    ("rollouts", "UPDATE adapter_rollouts", 2, "a rollout is about to go on"),
    ("rollouts", "INSERT adapter_rollout_steps", 3, "it has gone on, nobody wrote down by whom"),
    ("rollouts", "INSERT adapter_rollout_units", 1, "turns are written, who was met is not"),
    ("rollouts", "UPDATE adapter_rollouts", 3, "a version is rolled back, its rollout has not ended"),
    ("rollouts", "INSERT adapter_rollout_steps", 4, "a stop is written, not by whom"),
    ("rollouts", "INSERT adapter_production", 2, "a version follows another, the pointer does not move yet"),
    ("rollouts", "UPDATE adapter_rollouts", 6, "the pointer has moved, the rollout has not ended"),
    ("rollouts", "INSERT adapter_rollout_steps", 8, "a rollout has ended well, nobody wrote down by whom"),
    ("rollouts", "UPDATE adapter_versions", 12, "a rollback begins"),
    ("rollouts", "INSERT adapter_production", 3, "a rollback is written, the pointer does not move yet"),
]


OF_EVALUATIONS = [
    ("evaluations", "INSERT adapter_evaluations", 1, "an evaluation is begun"),
    ("evaluations", "UPDATE adapter_evaluations", 2, "it is written down, and nobody was asked"),
    ("evaluations", "ask", 3, "two are answered, and the third is to be asked"),
    ("evaluations", "answered", 3, "it has answered, and that is not written down"),
    ("evaluations", "INSERT adapter_evaluation_answers", 3, "its answer is written"),
    ("evaluations", "UPDATE adapter_versions", 1, "all is graded, the version has not moved"),
    ("evaluations", "UPDATE adapter_versions", 2, "it is evaluated, and no candidate"),
    ("evaluations", "UPDATE adapter_evaluations", 3, "it is a candidate, and the verdict is not written down"),
]


@pytest.fixture(scope="module")
def killer(tmp_path_factory: pytest.TempPathFactory) -> Killer:
    return Killer(tmp_path_factory.mktemp("kills"))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in NAMED]
)
def test_a_kill_at_a_named_step_loses_nothing(killer: Killer, story: str, step: str, time: int) -> None:
    killer.kill(story, (step, time))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in OF_DOCUMENTS]
)
def test_a_kill_at_a_named_step_loses_no_document_and_leaves_no_ghost(
    killer: Killer, story: str, step: str, time: int
) -> None:
    killer.kill(story, (step, time))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in OF_HOOKS]
)
def test_a_kill_at_a_named_step_of_a_hook_answers_and_tells_each_question_once(
    killer: Killer, story: str, step: str, time: int
) -> None:
    killer.kill(story, (step, time))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in OF_ROLLOUTS]
)
def test_a_kill_at_a_named_step_of_a_rollout_never_leaves_two_answers_to_which_version(
    killer: Killer, story: str, step: str, time: int
) -> None:
    killer.kill(story, (step, time))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in OF_JOBS]
)
def test_a_kill_at_a_named_step_of_a_job_takes_it_up_there_and_ends_as_if_nothing_had_been(
    killer: Killer, story: str, step: str, time: int
) -> None:
    killer.kill(story, (step, time))


@pytest.mark.parametrize(
    ("story", "step", "time"), [pytest.param(*named[:3], id=f"{named[0]}: {named[3]}") for named in OF_EVALUATIONS]
)
def test_a_kill_at_a_named_step_of_an_evaluation_loses_no_answer_and_no_verdict(
    killer: Killer, story: str, step: str, time: int
) -> None:
    killer.kill(story, (step, time))


def test_ten_kills_at_random_steps_lose_nothing(killer: Killer) -> None:
    _kill_at_random(killer, sorted(set(STORIES) - set(DOCUMENT_STORIES) - {"jobs"}))


def test_ten_kills_at_random_steps_lose_no_document(killer: Killer) -> None:
    _kill_at_random(killer, sorted(DOCUMENT_STORIES))


def _kill_at_random(killer: Killer, stories: list[str]) -> None:
    seed = random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}")  # noqa: T201  needed to repeat a failure
    chance = random.Random(seed)
    lengths = {story: len(killer.steps(story)) for story in stories}
    for _ in range(_RANDOM):
        story = chance.choice(stories)
        killer.kill(story, chance.randint(1, lengths[story]))

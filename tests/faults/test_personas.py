"""Persona files and knowledge go away or break under traffic: the last good set serves, and work goes on."""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import anyio
import httpx
import pytest

from actions import ActionSet, NetworkGrants, Secrets
from core.database import Database
from core.ids import PersonaId
from retrieval import Knowledge
from retrieval.records import Vectors
from retrieval.tables import metadata
from server.background import kept_running
from server.knowledge_sync import KnowledgeSync
from server.personas.library import PersonaLibrary
from server.personas.schema import PersonaSpec
from tests.fakes.embedder import WordEmbedder
from tests.fakes.engine import Reply
from tests.faults.world import PERSONAS, body, eventually
from tests.server.conftest import Gateway
from tests.server.test_served import served

__all__ = ["served"]


def test_a_persona_deleted_in_mid_answer_finishes_it_and_then_is_gone(served: Gateway) -> None:
    served.engine.will(Reply("one two three four five six seven eight", pause=0.25))
    url = f"{served.base}/v1/chat/completions"
    with httpx.stream("POST", url, json=body(stream=True), timeout=60) as answer:
        lines = answer.iter_lines()
        next(lines)
        (served.personas_dir / "plain.yaml").unlink()
        eventually(lambda: httpx.post(url, json=body(), timeout=60).status_code == 404)
        rest = list(lines)
    frames = [line.removeprefix("data: ") for line in rest if line]
    assert frames.pop() == "[DONE]"
    said = [json.loads(frame)["choices"][0]["delta"].get("content", "") for frame in frames]
    assert "".join(said) == "one two three four five six seven eight"
    assert httpx.post(url, json=body(), timeout=60).json()["error"]["code"] == "model_not_found"
    assert httpx.post(url, json=body("librarian"), timeout=60).status_code == 200


def _load_actions(spec: PersonaSpec) -> ActionSet:
    grants = NetworkGrants.parse(())
    return ActionSet.load(
        spec.actions, root=Path(), grants=grants, secrets=Secrets.none(), persona=PersonaId(spec.id)
    )


def _library(folder: Path) -> PersonaLibrary:
    folder.mkdir()
    for name, text in PERSONAS.items():
        (folder / f"{name}.yaml").write_text(text)
    return PersonaLibrary(folder, _load_actions, lambda: 0.0)


def test_a_folder_of_personas_that_vanishes_keeps_the_last_good_set_serving(tmp_path: Path) -> None:
    library = _library(tmp_path / "personas")
    shutil.rmtree(tmp_path / "personas")
    assert not library.reload()
    assert {persona.id for persona in library.personas} == set(PERSONAS)
    assert "no such folder" in library.problems[0].message


@pytest.mark.anyio
async def test_replaced_personas_are_closed_once_no_turn_holds_them(tmp_path: Path) -> None:
    library = _library(tmp_path / "personas")
    held = library.personas[0]
    closed: list[str] = []
    for persona in library.personas:
        _note_closing(persona.actions, persona.id, closed)
    del persona
    (tmp_path / "personas" / "plain.yaml").write_text(PERSONAS["plain"].replace("plain.", "plainer."))
    async with anyio.create_task_group() as group:
        group.start_soon(library.watch, _nothing)
        with anyio.fail_after(30):
            while len(closed) < len(PERSONAS) - 1:
                await anyio.sleep(0.02)
        assert held.id not in closed
        name = held.id
        del held
        with anyio.fail_after(30):
            while name not in closed:
                await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    await library.aclose()


async def _nothing() -> None:
    return


def _note_closing(actions: ActionSet, name: str, closed: list[str]) -> None:
    close = actions.aclose

    async def noted() -> None:
        closed.append(name)
        await close()

    actions.aclose = noted  # type: ignore[method-assign]  # only to see that it is called


@pytest.mark.anyio
async def test_work_in_the_background_that_breaks_off_is_logged_and_begun_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    tries: list[int] = []

    async def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise KeyError("a defect of ours")

    with caplog.at_level(logging.ERROR):
        await kept_running("The work", work, pause=0.01)
    assert len(tries) == 3
    assert caplog.text.count("The work broke off. It begins again") == 2


class _Defective(WordEmbedder):
    """Raises what nobody expects for one text, until it is mended."""

    mended = False

    def embed(self, texts: Sequence[str], *, priority: bool = False) -> Vectors:
        if not self.mended and any("poison" in text for text in texts):
            raise ZeroDivisionError
        return super().embed(texts, priority=priority)


@pytest.mark.anyio
async def test_a_store_that_breaks_the_sync_does_not_keep_others_from_being_read_and_is_tried_again(
    tmp_path: Path,
) -> None:
    library = _library(tmp_path / "personas")
    (tmp_path / "personas" / "second.yaml").write_text(
        PERSONAS["librarian"].replace("librarian", "second").replace("books", "more")
    )
    assert library.reload()
    for store, text in (("books", "poison"), ("more", "Good words.")):
        (tmp_path / store).mkdir()
        (tmp_path / store / "page.md").write_text(f"# Page\n\n{text}\n")
    database = Database(tmp_path / "repertory.db")
    metadata.create_all(database.engine)
    embedder = _Defective()
    sync = KnowledgeSync(Knowledge(database, embedder, tmp_path / "indexes"), library, tmp_path)
    async with anyio.create_task_group() as group:
        group.start_soon(sync.keep_up)
        with anyio.fail_after(30):
            while not sync.failed or sync.waiting:
                await anyio.sleep(0.02)
        assert "ZeroDivisionError" in sync.failed["books"]
        embedder.mended = True
        with anyio.fail_after(30):
            while sync.failed:
                await anyio.sleep(0.02)
        group.cancel_scope.cancel()
    await library.aclose()
    database.close()

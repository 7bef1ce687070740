"""A store in LangChain's shapes: the published suites, and what they do not look at."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from langchain_core.documents import Document
from langchain_core.embeddings import FakeEmbeddings

from bootstrap.checkout import ROOT
from bootstrap.clients import CLIENTS
from core.errors import InvalidRequest
from retrieval import Knowledge
from retrieval.langchain_face import KnowledgeRetriever, KnowledgeVectorStore

_PUBLISHED = Path(__file__).parent / "published"
_RUN = """
import sys
sys.path[:0] = [sys.argv[1]]
sys.path.append(sys.argv[2])  # behind our own packages: only what is missing here comes from there
import pytest
sys.exit(pytest.main(sys.argv[3:]))
"""


@pytest.fixture
def store(knowledge: Knowledge, tmp_path: Path) -> KnowledgeVectorStore:
    return KnowledgeVectorStore(knowledge, "notes", tmp_path / "notes")


def test_the_published_suites_pass_whole(tmp_path: Path) -> None:
    (packages,) = (CLIENTS.root / "lib").glob("python*/site-packages")
    plugins = ["-p", "pytest_asyncio.plugin", "-p", "no:cacheprovider"]
    command = [sys.executable, "-c", _RUN, str(ROOT), str(packages), str(_PUBLISHED), *plugins]
    done = subprocess.run(
        [
            *command,
            "-c",
            str(_PUBLISHED / "pytest.ini"),
            "--rootdir",
            str(_PUBLISHED),
            "--basetemp",
            str(tmp_path / "t"),
        ],
        env={
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PATH": "",
            "HOME": str(tmp_path),
        },
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""
    assert re.search(r"\b30 passed\b", last), done.stdout + done.stderr
    assert "skipped" not in last
    assert "xfailed" not in last


def test_a_retriever_tells_where_its_passages_stand(knowledge: Knowledge, folder: Path) -> None:
    knowledge.sync("shop", folder)
    retriever = KnowledgeRetriever(knowledge=knowledge, stores=("shop",), floor=0.3)
    (first, *_) = retriever.invoke("What does the code ERR-4711 mean?")
    document = knowledge.document(first.metadata["document"])
    assert document.text[first.metadata["start"] : first.metadata["end"]] == first.page_content
    assert (first.metadata["store"], first.metadata["path"]) == ("shop", "returns.md")
    assert retriever.invoke("zebra xylophone") == []


def test_a_long_text_is_found_in_pieces_that_say_which_part_they_are(store: KnowledgeVectorStore) -> None:
    text = "\n\n".join(f"Paragraph {number} speaks of ships and of harbours. " * 8 for number in range(6))
    (one,) = store.add_texts([text], [{"author": "Ada"}])
    found = store.similarity_search("ships and harbours", k=3)
    assert found
    for piece in found:
        assert piece.id == one
        assert piece.metadata["author"] == "Ada"
        assert text[piece.metadata["start"] : piece.metadata["end"]] == piece.page_content
    assert store.get_by_ids([one]) == [Document(page_content=text, metadata={"author": "Ada"}, id=one)]


def test_no_id_reaches_out_of_the_folder(store: KnowledgeVectorStore, tmp_path: Path) -> None:
    odd = ["../../escaped", "/etc/passwd", ".hidden", "a/b", "ä ß.txt", ".metadata/x"]
    assert store.add_texts([f"text of {one}" for one in odd], ids=odd) == odd
    assert {path.parent.name for path in tmp_path.rglob("*.txt")} == {"notes"}
    assert [one.page_content for one in store.get_by_ids(odd)] == [f"text of {one}" for one in odd]
    assert {one.id for one in store.similarity_search("text of hidden", k=10)} == set(odd)
    with pytest.raises(InvalidRequest):
        store.add_texts(["x"], ids=["y" * 300])


def test_deleting_all_keeps_what_was_not_put_in(knowledge: Knowledge, folder: Path) -> None:
    store = KnowledgeVectorStore(knowledge, "shop", folder)
    store.add_texts(["Boots are sold on Mondays."], ids=["mondays"])
    assert store.delete() is True
    assert store.get_by_ids(["mondays"]) == []
    assert {one.metadata["path"] for one in store.similarity_search("boots", k=5)} == {"returns.md", "tone.txt"}
    assert (folder / "returns.md").exists()
    store.delete(["returns"])
    assert (folder / "returns.md").exists()


def test_scores_are_cosines_and_a_floor_may_be_set(store: KnowledgeVectorStore) -> None:
    store.add_texts(["ships and harbours", "bread and butter"], ids=["sea", "food"])
    scored = store.similarity_search_with_score("ships and harbours", k=2)
    assert 1 >= scored[0][1] > 0.6 > scored[1][1]
    assert len(store.similarity_search("ships and harbours", k=2, floor=0.6)) == 1
    assert all(0 <= score <= 1 for _, score in store.similarity_search_with_relevance_scores("ships", k=2))
    assert len(store.as_retriever(search_kwargs={"k": 1}).invoke("bread")) == 1


def test_what_a_store_cannot_do_is_refused(knowledge: Knowledge, folder: Path, tmp_path: Path) -> None:
    knowledge.sync("shop", folder)
    reading = KnowledgeVectorStore(knowledge, "shop")
    assert reading.similarity_search("boots", k=1)[0].metadata["path"] == "returns.md"
    for refused in (
        lambda: reading.add_texts(["x"]),
        lambda: reading.delete(["x"]),
        lambda: reading.similarity_search("x", filter={"a": 1}),
        lambda: KnowledgeVectorStore(knowledge, "n", tmp_path / "n").add_texts(["x"], ids=["a", "b"]),
        lambda: KnowledgeVectorStore.from_texts(["x"], FakeEmbeddings(size=3), knowledge=knowledge, store="n"),
    ):
        with pytest.raises(InvalidRequest):
            refused()
    made = KnowledgeVectorStore.from_texts(
        ["ships"], None, ids=["s"], knowledge=knowledge, store="n", folder=tmp_path / "n"
    )
    assert made.get_by_ids(["s"])[0].page_content == "ships"

"""`python -m examples.agent "…"`: ask a persona that may look into documents when it wants to.

Reads REPERTORY_URL (default http://127.0.0.1:8000), REPERTORY_KEY (scopes `chat` and `knowledge`),
REPERTORY_PERSONA (who answers) and REPERTORY_LIBRARY (the persona whose documents are searched).
"""

import os
import sys

from langchain.agents import create_agent
from langchain.tools import tool
from langchain_core.messages import HumanMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from examples.agent.documents import RepertoryRetriever


def ask(question: str, *, url: str, key: str, persona: str, library: str) -> str:
    """Return the agent's answer."""
    retriever = RepertoryRetriever(url=url, key=SecretStr(key), persona=library, k=3)

    @tool
    def search_documents(query: str) -> str:
        """Search the documents. Returns passages, each with its address."""
        found = retriever.invoke(query)
        return (
            "\n\n".join(f"{one.page_content}\n({one.metadata['source']})" for one in found) or "Nothing was found."
        )

    model = ChatOpenAI(model=persona, base_url=f"{url}/v1", api_key=SecretStr(key), use_responses_api=False)
    agent = create_agent(model, [search_documents])
    answer = agent.invoke({"messages": [HumanMessage(question)]})
    return str(answer["messages"][-1].content)


def main() -> None:
    """Ask the question of the command line."""
    if len(sys.argv) != 2:
        raise SystemExit('Usage: python -m examples.agent "a question"')
    answer = ask(
        sys.argv[1],
        url=os.environ.get("REPERTORY_URL", "http://127.0.0.1:8000"),
        key=os.environ.get("REPERTORY_KEY", "none"),
        persona=os.environ.get("REPERTORY_PERSONA", "support-agent"),
        library=os.environ.get("REPERTORY_LIBRARY", "support-agent"),
    )
    print(answer)  # noqa: T201  it is a program for a terminal


if __name__ == "__main__":
    main()

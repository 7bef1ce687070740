"""An agent of LangChain's with a persona as its model and the persona's documents as its tool."""

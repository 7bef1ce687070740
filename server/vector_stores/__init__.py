"""OpenAI's vector stores over HTTP: what requests may say, and what is answered."""

"""The assistant: answers questions with the tools of ``app/desk.py`` through a language model. It may read and plan."""

"""What mcai knows of examples: taking them in, paging, searching, keeping the search index in step.

Sits on the seams of `mcai.store` and `mcai.embed`; knows nothing of HTTP.
"""

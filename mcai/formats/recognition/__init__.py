"""Items to records: which key holds the prompt, which the answer, and what becomes of the rest."""

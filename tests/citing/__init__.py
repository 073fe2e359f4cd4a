"""A model of some megabytes that answers from numbered passages and cites them: trained here, on made-up facts.

It shows that the whole stack carries an answer from a file to its citation. It knows nothing else: it copies.
"""

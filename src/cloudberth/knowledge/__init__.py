"""The knowledge service: documents in, passages and answers with their sources out.

`cloudberth.knowledge.service` is what is called, `cloudberth.knowledge.model` what goes in and comes out.
"""

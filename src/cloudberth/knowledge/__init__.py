"""The knowledge service: documents in, passages and answers with their sources out.

::

    from pathlib import Path
    from cloudberth.knowledge.opening import open_knowledge
    from cloudberth.knowledge.workers import start_workers

    with open_knowledge(data=Path("data")) as knowledge:
        workers = start_workers(knowledge.parts, data=Path("data"))
        handbook = knowledge.create_dataset("handbook")
        knowledge.add_document(handbook.id, "handbook.md", Path("handbook.md"))

`service` is what is called, `model` what goes in and comes out, `opening` how it is opened. Behind them:
`state` (tables, queue), `originals`, `vectors`, `embedders`; `indexing` and `removing` are what `working`
does; `documents` and `embedding` are rooms of their own.
"""

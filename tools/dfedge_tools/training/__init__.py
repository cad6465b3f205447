"""Training: ``dfedge train``.

Data flows one way: packed crops (:mod:`dfedge_tools.data.store`) -> seeded `batches`, with fakes
made by :mod:`dfedge_tools.fakes` -> `loop` -> checkpoints and scores (`validate`).
"""

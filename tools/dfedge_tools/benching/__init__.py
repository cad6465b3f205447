"""Speed, memory and energy of models on this machine, measured side by side.

Data goes one way: :mod:`~dfedge_tools.benching.plan` makes cells of models, runtimes, threads and
batches; :mod:`~dfedge_tools.benching.measure` runs each in a process of its own
(:mod:`~dfedge_tools.benching.lane` is this side of it, :mod:`~dfedge_tools.benching.worker` the
other) and in turns; :mod:`~dfedge_tools.benching.results` makes figures of what was measured, and
:mod:`~dfedge_tools.benching.table` and :mod:`~dfedge_tools.benching.plot` show them.
"""

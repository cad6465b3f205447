"""The escalation server: heavier verdicts on what a device was unsure of.

Rooms, in the direction the data flows::

    escalations, compat, review   what is asked over HTTP: schemas, checks, answers
    delivery                      the signed model that browsers take from here
    work                          durable jobs: queue, worker, webhooks, retention
    heavy                         media -> faces (in its own process) -> models -> fused verdict
    db, blobs                     what is kept: rows, and media and pictures
    security, telemetry           keys, limits, audit; logs, metrics, traces
    settings, app, commands       how it is set up and started
"""

"""All older endpoints."""

from __future__ import annotations

from dfedge_server.compat import admin, detect, health, predict

ROUTES = [*health.ROUTES, *predict.ROUTES, *detect.ROUTES, *admin.ROUTES]

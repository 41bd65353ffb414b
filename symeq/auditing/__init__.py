"""Layers that others wrote, under the scrutiny that emitted ones get; this room runs their code."""

from symeq.auditing.checks import FINDINGS, audit
from symeq.auditing.report import AuditReport, Finding

__all__ = ["FINDINGS", "AuditReport", "Finding", "audit"]

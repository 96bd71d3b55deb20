"""Plugins: what is there (from metadata alone), and loading it when it is needed."""

from regbench.plugins.catalog import Catalog, discover
from regbench.plugins.kinds import DatasetPlugin, MethodPlugin, MetricPlugin, ReportPlugin
from regbench.plugins.loading import load_entry, load_metric

__all__ = [
    "Catalog",
    "DatasetPlugin",
    "MethodPlugin",
    "MetricPlugin",
    "ReportPlugin",
    "discover",
    "load_entry",
    "load_metric",
]

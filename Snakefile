# regbench: data sets -> (training) -> registration -> metrics -> tables and figures.
# The rules are in rules/, the plan they ask is regbench/plan/jobs.py, the config is config/*.yaml.
from snakemake.utils import min_version

min_version("9.17")


# A user's config file replaces the default: Snakemake would merge the two.
if not config:

    configfile: "config/default.yaml"


include: "rules/common.smk"
include: "rules/datasets.smk"
include: "rules/methods.smk"
include: "rules/metrics.smk"
include: "rules/reports.smk"


rule all:
    default_target: True
    input:
        TABLE,
        REPORTS.wanted(),


onstart:
    forget_stale()


onsuccess:
    verdict()

# Rendering: from the collected table to what people read. The files are of the active config.


def results_option(wildcards, input):
    """Where a report's results are; nothing for a report of none."""
    return ["--results", input.results] if "results" in input.keys() else []


rule render:
    input:
        unpack(lambda w: or_exit(PLAN.report_inputs, w.report)),
    output:
        PLAN.report_files("{report}", drawn=False),
    log:
        f"{LOGS}/render/{{report}}.txt",
    benchmark:
        f"{BENCHMARKS}/render/{{report}}.tsv"
    threads: 1
    resources:
        mem_mb=2048,
    params:
        report=lambda w: w.report,
        results=results_option,
        version=regbench_workflow.stage_version("render"),
    shell:
        STAGE + " render --report {params.report:q}"
        " {params.results:q} {output:q} > {log:q} 2>&1"


# A table that is drawn, too.
use rule render as figure with:
    input:
        unpack(lambda w: or_exit(PLAN.report_inputs, w.figure)),
    output:
        PLAN.report_files("{figure}", drawn=True),
    log:
        f"{LOGS}/render/{{figure}}.txt",
    benchmark:
        f"{BENCHMARKS}/render/{{figure}}.tsv"
    params:
        report=lambda w: w.figure,
        results=results_option,
        version=regbench_workflow.stage_version("render"),


# A page that shows the other reports, every case and the fields.
rule page:
    input:
        unpack(lambda w: PLAN.page_inputs(w.page)),
    output:
        "reports/{page}.html",
    log:
        f"{LOGS}/render/{{page}}.txt",
    benchmark:
        f"{BENCHMARKS}/render/{{page}}.tsv"
    threads: 1
    resources:
        mem_mb=2048,
    params:
        report=lambda w: w.page,
        shown=lambda w, input: [f"--shown={file}" for file in input.shown],
        version=regbench_workflow.stage_version("render"),
    shell:
        STAGE + " render --report {params.report:q} --results {input.results:q}"
        " {params.shown:q} {output:q} > {log:q} 2>&1"

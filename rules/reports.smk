# Rendering: from the collected table to what people read. The files are of the active config.


rule render:
    input:
        unpack(lambda w: or_exit(PLAN.report_inputs, w.report)),
    output:
        csv="reports/{report}.csv",
        md="reports/{report}.md",
    log:
        f"{LOGS}/render/{{report}}.txt",
    benchmark:
        f"{BENCHMARKS}/render/{{report}}.tsv"
    threads: 1
    resources:
        mem_mb=2048,
    params:
        version=regbench_workflow.stage_version("render"),
    shell:
        STAGE + " render --report {wildcards.report:q}"
        " --results {input.results:q} {output:q} > {log:q} 2>&1"

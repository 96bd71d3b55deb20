# Preparing: every data set, generated or imported, into the Learn2Reg layout.


rule prepare:
    input:
        unpack(need("prepare", "inputs")),
    output:
        layout=str(paths.layout_file(PLAN.name, "{dataset}")),
    log:
        f"{LOGS}/prepare/{{dataset}}.txt",
    benchmark:
        f"{BENCHMARKS}/prepare/{{dataset}}.tsv"
    priority: need("prepare", "priority")
    threads: need("prepare", "threads")
    resources:
        mem_mb=need("prepare", "memory_mb"),
        runtime=need("prepare", "minutes"),
    params:
        key=need("prepare", "key"),
    shell:
        STAGE
        + " prepare --dataset {wildcards.dataset:q} --threads {threads} > {log:q} 2>&1"

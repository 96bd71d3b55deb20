# Preparing: every data set, generated or imported, into the Learn2Reg layout.


rule prepare:
    input:
        plugin=lambda w: or_exit(PLAN.dataset_inputs, w.dataset),
    output:
        layout=PLAN.layout("{dataset}"),
    log:
        f"{LOGS}/prepare/{{dataset}}.txt",
    benchmark:
        f"{BENCHMARKS}/prepare/{{dataset}}.tsv"
    threads: 1
    resources:
        mem_mb=4096,
        runtime=lambda w: PLAN.prepare_minutes(w.dataset),
    params:
        key=lambda w: PLAN.prepare_key(w.dataset),
    shell:
        STAGE + " prepare --dataset {wildcards.dataset:q} > {log:q} 2>&1"

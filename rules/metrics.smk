# Measuring a run, and collecting a task's runs, then all tasks, into one table.


rule evaluate:
    input:
        unpack(need("evaluate", "inputs")),
    output:
        cases=f"{RUN_FOLDER}/{paths.CASES}",
        metrics=f"{RUN_FOLDER}/{paths.METRICS}",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/evaluate.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/evaluate.tsv"
    priority: need("evaluate", "priority")
    threads: 1
    resources:
        mem_mb=need("evaluate", "memory_mb"),
        runtime=need("evaluate", "minutes"),
    params:
        shards=lambda w, input: len(input.statuses),
        key=need("evaluate", "key"),
    shell:
        STAGE + " evaluate --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} --shards {params.shards} > {log:q} 2>&1"


# Seconds of reading: not worth a cluster's job. So are the reports.
localrules:
    collect,
    merge,


rule collect:
    input:
        unpack(need("collect", "inputs")),
    output:
        table=str(paths.task_metrics_file(PLAN.name, "{task}")),
    log:
        f"{LOGS}/{{task}}/collect.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/collect.tsv"
    threads: 1
    resources:
        mem_mb=need("collect", "memory_mb"),
    params:
        key=need("collect", "key"),
    shell:
        STAGE + " collect --task {wildcards.task:q} > {log:q} 2>&1"


rule merge:
    input:
        unpack(need("merge", "inputs")),
    output:
        table=TABLE,
    log:
        f"{LOGS}/merge.txt",
    benchmark:
        f"{BENCHMARKS}/merge.tsv"
    threads: 1
    resources:
        mem_mb=need("merge", "memory_mb"),
    params:
        key=need("merge", "key"),
    shell:
        STAGE + " merge > {log:q} 2>&1"

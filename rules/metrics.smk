# Measuring a run, and collecting a task's runs, then all tasks, into one table.


rule evaluate:
    input:
        layout=lambda w: dataset_of(w.task),
        statuses=lambda w: PLAN.shards(w.task, w.run, w.seed),
        metrics=PLAN.metric_inputs(),
    output:
        cases=f"{RUN_FOLDER}/{paths.CASES}",
        metrics=f"{RUN_FOLDER}/{paths.METRICS}",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/evaluate.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/evaluate.tsv"
    threads: 1
    resources:
        mem_mb=4096,
        runtime=lambda w: PLAN.evaluate_minutes(w.task),
    params:
        shards=lambda w, input: len(input.statuses),
        key=lambda w: PLAN.evaluate_key(w.task),
    shell:
        STAGE + " evaluate --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} --shards {params.shards} > {log:q} 2>&1"


# Seconds of reading: not worth a cluster's job. So are the reports.
localrules:
    collect,
    merge,


rule collect:
    input:
        metrics=lambda w: PLAN.task_metrics(w.task),
        timings=lambda w: PLAN.task_timings(w.task),
    output:
        table=PLAN.task_table("{task}"),
    log:
        f"{LOGS}/{{task}}/collect.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/collect.tsv"
    threads: 1
    resources:
        mem_mb=4096,
    params:
        key=PLAN.collect_key(),
    shell:
        STAGE + " collect --task {wildcards.task:q} > {log:q} 2>&1"


rule merge:
    input:
        tables=[PLAN.task_table(task) for task in PLAN.config.tasks],
    output:
        table=PLAN.table(),
    log:
        f"{LOGS}/merge.txt",
    benchmark:
        f"{BENCHMARKS}/merge.tsv"
    threads: 1
    resources:
        mem_mb=4096,
    params:
        key=PLAN.collect_key(),
    shell:
        STAGE + " merge > {log:q} 2>&1"

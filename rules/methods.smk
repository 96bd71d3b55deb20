# Training learned methods, then registering: the cases of a run, in one or more shards. Failures are statuses: the job succeeds.


rule train:
    input:
        layout=lambda w: dataset_of(w.task),
        plugin=lambda w: PLAN.method_inputs(w.task, w.run),
        borrowed=lambda w: PLAN.borrowed(w.task, w.run, w.seed),
    output:
        record=f"{RUN_FOLDER}/{paths.TRAINING}",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/train.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/train.tsv"
    # The long jobs first: the short ones then fill the cores to the end.
    priority: 10
    threads: lambda w: PLAN.threads(w.task, w.run)
    resources:
        mem_mb=memory_mb,
        gpu=lambda w: PLAN.gpus(w.task, w.run),
        runtime=lambda w: PLAN.train_minutes(w.task),
    params:
        key=lambda w: PLAN.train_key(w.task, w.run, w.seed),
    shell:
        STAGE + " train --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} > {log:q} 2>&1"


rule register:
    input:
        training=lambda w: PLAN.training(w.task, w.run, w.seed),
        layout=lambda w: dataset_of(w.task),
        plugin=lambda w: PLAN.method_inputs(w.task, w.run),
    output:
        statuses=f"{RUN_FOLDER}/shards/{{shard}}.json",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/register-{{shard}}.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/register-{{shard}}.tsv"
    threads: lambda w: PLAN.threads(w.task, w.run)
    resources:
        mem_mb=memory_mb,
        gpu=lambda w: PLAN.gpus(w.task, w.run),
        runtime=lambda w: PLAN.register_minutes(w.task, w.run),
    params:
        key=lambda w: PLAN.register_key(w.task, w.run, w.seed),
    shell:
        STAGE + " register --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} --shard {wildcards.shard} > {log:q} 2>&1"


# One case with nothing beside it (`timing: alone`): all cores are taken, few are used.
rule time:
    input:
        training=lambda w: PLAN.training(w.task, w.run, w.seed),
        layout=lambda w: dataset_of(w.task),
        plugin=lambda w: PLAN.method_inputs(w.task, w.run),
    output:
        timing=f"{RUN_FOLDER}/timing.json",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/time.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/time.tsv"
    threads: whole_machine
    resources:
        mem_mb=memory_mb,
        gpu=lambda w: PLAN.gpus(w.task, w.run),
        runtime=lambda w: PLAN.time_minutes(w.task, w.run),
    params:
        key=lambda w: PLAN.register_key(w.task, w.run, w.seed),
    shell:
        STAGE + " time --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} > {log:q} 2>&1"

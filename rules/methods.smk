# Training learned methods, then registering: the cases of a run, in one or more shards. The jobs
# succeed even where a method fails: failures are statuses.


# A method's own environment, in a cache that all projects share. Its packages come from the network,
# which a cluster's nodes may not reach.
localrules:
    environment,


rule environment:
    input:
        unpack(need("environment", "inputs")),
    output:
        record=str(paths.environment_file(PLAN.name, "{environment}")),
    log:
        f"{LOGS}/environments/{{environment}}.txt",
    benchmark:
        f"{BENCHMARKS}/environments/{{environment}}.tsv"
    priority: need("environment", "priority")
    threads: 1
    resources:
        mem_mb=need("environment", "memory_mb"),
    params:
        key=need("environment", "key"),
    shell:
        STAGE + " environment --environment {wildcards.environment:q} > {log:q} 2>&1"


rule train:
    input:
        unpack(need("train", "inputs")),
    output:
        record=f"{RUN_FOLDER}/{paths.TRAINING}",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/train.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/train.tsv"
    priority: need("train", "priority")
    threads: need("train", "threads")
    resources:
        mem_mb=memory_mb("train"),
        gpu=need("train", "gpus"),
        runtime=need("train", "minutes"),
    params:
        key=need("train", "key"),
    shell:
        STAGE + " train --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} > {log:q} 2>&1"


rule register:
    input:
        unpack(need("register", "inputs")),
    output:
        statuses=f"{RUN_FOLDER}/shards/{{shard}}.json",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/register-{{shard}}.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/register-{{shard}}.tsv"
    priority: need("register", "priority")
    threads: need("register", "threads")
    resources:
        mem_mb=memory_mb("register"),
        gpu=need("register", "gpus"),
        runtime=need("register", "minutes"),
    params:
        key=need("register", "key"),
    shell:
        STAGE + " register --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} --shard {wildcards.shard} > {log:q} 2>&1"


# One case with nothing beside it (`timing: alone`): all cores are taken, few are used.
rule time:
    input:
        unpack(need("time", "inputs")),
    output:
        timing=f"{RUN_FOLDER}/timing.json",
    log:
        f"{LOGS}/{{task}}/{{run}}/seed{{seed}}/time.txt",
    benchmark:
        f"{BENCHMARKS}/{{task}}/{{run}}/seed{{seed}}/time.tsv"
    threads: whole_machine
    resources:
        mem_mb=memory_mb("time"),
        gpu=need("time", "gpus"),
        runtime=need("time", "minutes"),
    params:
        key=need("time", "key"),
    shell:
        STAGE + " time --task {wildcards.task:q}"
        " --run {wildcards.run:q} --seed {wildcards.seed} > {log:q} 2>&1"

# Rendering: from the collected table to what people read. The files are of the active config.


def results_option(wildcards, input):
    """Where a report's results are; nothing for a report of none."""
    return ["--results", input.results] if "results" in input.keys() else []


def plugin_of(wildcards):
    """The report that a job renders."""
    name = wildcards.get("report") or wildcards.get("figure")
    return REPORTS.reports[name]


def told(file):
    """A table (html) or picture (png) goes into Snakemake's own report, too."""
    if not file.endswith((".html", ".png")):
        return file
    return report(
        file,
        caption="caption.rst",
        category="Figures" if file.endswith(".png") else "Tables",
        subcategory=lambda wildcards: plugin_of(wildcards).task or "all tasks",
        labels=lambda wildcards: {
            "Report": plugin_of(wildcards).title,
            "Config": PLAN.name,
        },
    )


localrules:
    render,
    figure,
    page,


rule render:
    input:
        unpack(lambda w: or_exit(REPORTS.inputs, w.report)),
    output:
        [told(file) for file in REPORTS.files("{report}", drawn=False)],
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
        caption=lambda w: REPORTS.caption(w.report),
        key=lambda w: REPORTS.key(w.report),
    shell:
        STAGE + " render --report {params.report:q}"
        " {params.results:q} {output:q} > {log:q} 2>&1"


# A table that is drawn, too.
use rule render as figure with:
    input:
        unpack(lambda w: or_exit(REPORTS.inputs, w.figure)),
    output:
        [told(file) for file in REPORTS.files("{figure}", drawn=True)],
    log:
        f"{LOGS}/render/{{figure}}.txt",
    benchmark:
        f"{BENCHMARKS}/render/{{figure}}.tsv"
    params:
        report=lambda w: w.figure,
        results=results_option,
        caption=lambda w: REPORTS.caption(w.figure),
        key=lambda w: REPORTS.key(w.figure),


# A page that shows the other reports, every case and the fields.
rule page:
    input:
        unpack(lambda w: or_exit(REPORTS.inputs, w.page)),
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
        key=lambda w: REPORTS.key(w.page),
    shell:
        STAGE + " render --report {params.report:q} --results {input.results:q}"
        " {params.shown:q} {output:q} > {log:q} 2>&1"


# What is no report is refused with the nearest name. Not as a module: others may put files there.
if Path(workflow.main_snakefile).is_relative_to(ROOT):

    rule misnamed:
        input:
            lambda w: or_exit(REPORTS.refuse, f"reports/{w.misnamed}"),
        output:
            "reports/{misnamed}",
        wildcard_constraints:
            misnamed="(?!({})$).+".format(
                any_of(file.removeprefix("reports/") for file in REPORTS.every_file())
            ),

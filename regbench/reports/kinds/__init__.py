"""The kinds of reports. Each kind is one module, found by its name; nothing lists them.

A kind's module has a function `build` of a `Request`, which returns a Table, a Drawing or the text
of a page, and a literal KIND, which is read without importing the module:

    fields   the fields that a report of the kind must have, beside its title;
    results  the results that it shows: `tasks` (of the report's task, or of all tasks if it names
             none; the default), `task` (of the report's task), `own` (of the report's own grid of
             runs) or `none`;
    metrics  the metrics that it cannot do without: it is rendered for the configs that name them;
    drawn    whether it also has pictures;
    page     whether it is a page of the other reports;
    inputs   further inputs of its job: see `ReportJobs.inputs`.
"""

"""The kinds of reports. Each kind is one module, found by its name; nothing lists them.

A kind's module has

    FIELDS   the fields that a report of the kind must have, beside its title;
    RESULTS  the results that it shows: `task` (of the report's task), `tasks` (of the report's
             task, or of all tasks if it names none), `own` (of the report's own grid of runs) or
             `none`;
    METRICS  (optional) the metrics that it cannot do without: it is rendered for the configs that
             name them;
    DRAWN    whether it also has pictures;
    build    a function of a `Request` that returns a Table, a Drawing or the text of a page;
    inputs   (optional) a function of the config and the report that returns further inputs of the
             job, by name.

Every plan imports every kind, so functions import what is heavy (pandas, matplotlib, torch).
"""

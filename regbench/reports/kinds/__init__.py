"""The kinds of reports: a module each, found by its name; nothing lists them.

A kind's module has

    FIELDS   the fields that a report of the kind must have, beside its title;
    RESULTS  what it shows: `task` (of the report's task), `tasks` (of it, or of all where it names
             none), `own` (of the report's own grid of runs) or `none`;
    DRAWN    whether it has pictures, too;
    build    a function of a `Request` that gives a Table, a Drawing or the text of a page;
    inputs   (where it has some) a function of the config and the report that gives further inputs
             of the job, by name.

Every plan imports every kind: what is heavy (pandas, matplotlib, torch) is imported by functions.
"""

"""The language of `--where`: conditions over versions.

    val_acc > 0.9 and lr < 1e-3
    not (author ~ ada or trigger = auto)
    model.name in (resnet18, resnet50) and has val.loss and time > 3d

    condition   one of the below, joined by `and`, `or` (binds less), `not`, parentheses
    comparison  KEY = == != < <= > >= VALUE;   KEY in (VALUE, ...);   KEY not in (VALUE, ...)
    match       KEY ~ PATTERN;  KEY !~ PATTERN;  a part of the text, a glob with * ? [..], or a /regex/
    existence   has KEY
    key         a field (below), else a metric or a hyperparameter as it is recorded, nested ones with dots;
                of a key that is both the metric counts: `params.lr`, `metrics.lr` say which. Keys with odd
                characters stand in double quotes
    value       a number, `true`, `false`, `null`, a bare word, or text in single or double quotes

    fields      version, generation, id, branch, tag, stage, author, message, trigger, time (date is the same),
                and `note.KEY`, an annotation

Times are dates (`2026-11-01`, `2026-11-01T12:00`), or ages: `time > 2h` is what happened in the last two hours.
An annotation is text: `note.accuracy > 0.9` holds where its text is such a number.
`branch = main` is every version that branch main reaches. Numbers are compared with numbers, text with text;
what is compared with a key that a version lacks is false, so `not (lr > 1)` holds for a version without lr.

`tree` holds the values that an expression becomes, `parse` makes them, `evaluate` asks them of a version.
"""

"""DVCLive's calls, in mvc: a program that used it changes one import.

    from mvc.live import Live

    with Live("runs/1", exp_message="wider") as live:
        live.log_params({"lr": 0.1})
        for epoch in range(3):
            live.log_metric("train/loss", train())
            live.next_step()

forms       rows, YAML, names
images      pictures in files
plots       tables to draw: curves of scikit-learn and others
run         Live itself

The files are DVCLive's (3.49), so its extension for VS Code and `dvc plots` read them. Without scikit-learn,
Pillow, numpy or pandas everything works but what is about them.
"""

from mvc.live.run import Live

__all__ = ["Live"]

"""The engine of mvc. Upper layers import lower ones, never back; `|` are strangers.

    mvc.cli | mvc.demo
    mvc.api                       the only client module that imports mvcd
    -----------------------------------------------------------------
    mvcd.repo                     policy: what a repository promises
    mvcd.inspect                  what a file means: tensors, hyperparameters, metrics
    mvcd.store                    where objects and refs rest
    mvcd.objects | codec | chunking    immutable values | stored bytes | cut points
    mvcd.ids
    mvcd.errors | mvcd.monitor

The arrows are import-linter contracts in `pyproject.toml`; the tests run them.
"""

__version__ = "0.1.0"

"""What `mvc demo` versions: a small network that really trains on Fisher's Iris.

    dataset     the data (DATA.md)
    network     a multilayer perceptron
    architecture  its code, as a file of the workspace
    tensorfile  its weights, as a file
    training    a run: files that change from iteration to iteration

Everything here is plain Python on the standard library, so that the demo runs wherever mvc is
installed, without a framework and without a network. The package knows nothing of mvc: it writes
the files that a training run writes, and the verb puts versions around it.
"""

from mvc.demo.training import run_training

__all__ = ["run_training"]

"""Tensors compared: the engine's own values, in a module of their own since only `diff` needs them."""

from mvcd.inspect.statistics import Statistics as TensorStatistics
from mvcd.repo.compare.tensortable import TensorForm
from mvcd.repo.compare.weights import TensorDiff, Weights
from mvcd.repo.contents.distribution import Distribution as TensorDistribution

__all__ = ["TensorDiff", "TensorDistribution", "TensorForm", "TensorStatistics", "Weights"]

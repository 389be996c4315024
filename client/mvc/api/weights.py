"""Tensors compared: the engine's own values, in a module of their own since only `diff` needs them."""

from mvcd.inspect.statistics import Statistics as TensorStatistics
from mvcd.repo.contents.distribution import Distribution as TensorDistribution
from mvcd.repo.tensors.labelled import Weights
from mvcd.repo.tensors.tensordiff import TensorDiff
from mvcd.repo.tensors.tensortable import TensorForm

__all__ = ["TensorDiff", "TensorDistribution", "TensorForm", "TensorStatistics", "Weights"]

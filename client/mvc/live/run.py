"""Live: metrics, settings, images and plots of one run, in DVCLive's files; its end is a version.

    DIR/metrics.json                  the last values, and `step`
    DIR/params.yaml                   settings
    DIR/plots/metrics/NAME.tsv        a metric over the steps: [timestamp] step NAME
    DIR/plots/images/NAME
    DIR/plots/custom/NAME.json, DIR/plots/sklearn/NAME.json
    DIR/artifacts/                    copies that were asked for
    DIR/dvc.yaml                      how plots are drawn, and what is said of artifacts

A row is one write to the end of its file, all other files are replaced in one rename: kill -9 loses nothing
that was logged; metrics.json lacks what came after the last step, and the rows have it.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self

from mvc.api import errors
from mvc.live import images, plots
from mvc.live.forms import (
    add_row,
    is_below,
    is_one,
    parts_of,
    read_yaml,
    remove,
    yaml_text,
)
from mvc.training.block import checkpoint
from mvc.training.tracking import keep
from mvc.training.unsaved import not_saved
from mvc.training.values import Scalar, plain, replace, workspace_of

Path = str | os.PathLike[str]

_OURS = ("plots/metrics", "plots/images", "plots/custom", "plots/sklearn", "metrics.json",
         "params.yaml", "dvc.yaml", "report.html", "report.md")  # fmt: skip
"""What a run begins without: it is of the run before."""


class Live:
    """One run, whose files are in `dir`. A run that is not resumed begins without the files of the run before,
    which are saved as a version first.

    With `resume` it goes on with the step after the last one. With `save_dvc_exp` the end is a version, made by
    the daemon where it watches and by this process where not; its message is `exp_message`, if the daemon has
    not saved the very same files before, with a description of its own. Outside a workspace
    only the files are written. With `dvcyaml`, `DIR/dvc.yaml` tells DVC's tools how to draw the plots.
    `cache_images` may say what it likes: images are in the version as all files are.

    Raises UsageError for what mvc does in another way: `report`, `exp_name`, `monitor_system`, and a dvc.yaml
    elsewhere. Several processes that train together want one Live, in the first of them.
    """

    def __init__(
        self,
        dir: Path = "dvclive",
        resume: bool = False,
        report: None = None,
        save_dvc_exp: bool = True,
        dvcyaml: bool | None = True,
        cache_images: bool = False,  # noqa: ARG002 - see above
        exp_name: None = None,
        exp_message: str | None = None,
        monitor_system: Literal[False] = False,
    ) -> None:
        _refuse(report is not None, "report", "mvc plot METRIC --x step -o report.html")
        _refuse(exp_name is not None, "exp_name", "exp_message=..., or mvc tag NAME afterwards")
        _refuse(
            monitor_system, "monitor_system", "log_metric('system/ram', ...) of what you measure"
        )
        _refuse(
            not isinstance(dvcyaml, bool) and dvcyaml is not None, "dvcyaml of another place",
            "dvcyaml=True writes dvc.yaml in the directory of the run, False none",
        )  # fmt: skip
        self.summary: dict[str, Any] = {}
        self.version: str | None = None
        """The id of the version that the end made."""

        self._dir = os.fspath(dir)
        self._step: int | None = None
        self._logged = 0  # the step of the last metric
        self._params: dict[str, Any] = {}
        self._plots: dict[str, plots.Configuration] = {}
        self._artifacts: dict[str, dict[str, Any]] = {}
        self._kept: list[str] = []
        self._saves = save_dvc_exp
        self._describes = bool(dvcyaml)
        self._message = exp_message or ""
        self._inside = False
        os.makedirs(self._dir, exist_ok=True)
        if resume:
            self._resume()
        else:
            self._begin_anew()

    # ---------------------------------------------------------------- places

    @property
    def dir(self) -> str:
        """The directory of the run."""
        return self._dir

    @property
    def metrics_file(self) -> str:
        return os.path.join(self._dir, "metrics.json")

    @property
    def params_file(self) -> str:
        return os.path.join(self._dir, "params.yaml")

    @property
    def dvc_file(self) -> str:
        return os.path.join(self._dir, "dvc.yaml")

    @property
    def plots_dir(self) -> str:
        return os.path.join(self._dir, "plots")

    @property
    def artifacts_dir(self) -> str:
        return os.path.join(self._dir, "artifacts")

    # ---------------------------------------------------------------- steps

    @property
    def step(self) -> int:
        """The step of the metrics that are logged next; 0 at first."""
        return self._step or 0

    @step.setter
    def step(self, value: int) -> None:
        self._step = value

    def next_step(self) -> None:
        """Writes metrics.json, and counts one step on."""
        self._step = self.step
        self.sync()
        self._step += 1

    def read_latest(self) -> dict[str, Any]:
        """What metrics.json says; nothing where there is none."""
        try:
            with open(self.metrics_file, encoding="utf-8") as file:
                found = json.load(file)
        except FileNotFoundError:
            return {}
        return found if isinstance(found, dict) else {}

    def read_step(self) -> int:
        """The last step that metrics.json tells."""
        step = self.read_latest().get("step", 0)
        return step if isinstance(step, int) else 0

    # ---------------------------------------------------------------- what is logged

    def log_metric(
        self, name: str, val: Scalar, timestamp: bool = False, plot: bool = True
    ) -> None:
        """Sets the last value of a metric, and with `plot` adds a row to plots/metrics/NAME.tsv; that of
        `train/loss` is in a directory. `timestamp` is a column, of milliseconds of Unix time, that a file has
        from its first row on, or not at all.

        Raises UsageError for what is neither number nor text, and for names that are no path.
        """
        value = plain(val)
        if value is None or isinstance(value, (Mapping, list)) or not is_one(val):
            raise errors.UsageError(
                f"the metric {name!r} is {type(val).__name__}", help="a number, or text"
            )
        if isinstance(value, float) and not math.isfinite(value):
            value = str(value)  # as DVCLive: JSON has no word for it
        parts = parts_of(name)
        at = self.summary
        for part in parts[:-1]:
            at = at.setdefault(part, {})
            if not isinstance(at, dict):
                raise errors.UsageError(f"there is a metric {part!r}, so {name!r} can't be one")
        if isinstance(at.get(parts[-1]), dict):
            raise errors.UsageError(f"there are metrics below {name!r}, so it can't be one")
        if plot:
            path = os.path.join(self.plots_dir, "metrics", *parts) + ".tsv"
            add_row(path, parts[-1], self.step, value, timestamp=timestamp)
        at[parts[-1]] = value
        self._logged = self.step

    def log_param(self, name: str, val: Any) -> None:
        """Sets one setting in params.yaml."""
        self.log_params({name: val})

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Sets settings in params.yaml; they may be nested mappings and lists. What is of no type of YAML's is
        written as text."""
        self._params.update(plain(params))
        replace(self.params_file, yaml_text(self._params))

    def log_image(self, name: str, val: Any) -> None:
        """Writes plots/images/NAME: of a path, an array of numpy (with Pillow), a figure of matplotlib or an
        image of Pillow. Raises UsageError."""
        name = images.name_of(name, val)
        path = os.path.join(self.plots_dir, "images", *parts_of(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)
        images.write(val, path)

    def log_plot(
        self,
        name: str,
        datapoints: Any,
        x: str,
        y: str | list[str],
        template: str | None = "linear",
        title: str | None = None,
        x_label: str | None = None,
        y_label: str | None = None,
    ) -> None:
        """Writes the rows `datapoints` to plots/custom/NAME.json, and how to draw them to dvc.yaml. Raises
        UsageError."""
        rows = plots.rows_of(name, datapoints)
        how = {"template": template, "x": x, "y": y, "title": title, "x_label": x_label}
        self._write_plot("custom", name, rows, {**how, "y_label": y_label})

    def log_sklearn_plot(
        self,
        kind: str,
        labels: Any,
        predictions: Any,
        name: str | None = None,
        title: str | None = None,
        x_label: str | None = None,
        y_label: str | None = None,
        normalized: bool | None = None,
        **kwargs: Any,
    ) -> None:
        """Writes a `calibration`, `confusion_matrix`, `det`, `precision_recall` or `roc` to
        plots/sklearn/NAME.json; `kwargs` go to the function of scikit-learn, which all but the confusion matrix
        need. Raises UsageError."""
        data, how = plots.sklearn_plot(kind, labels, predictions, normalized, kwargs)
        said = {"title": title, "x_label": x_label, "y_label": y_label}
        how |= {key: value for key, value in said.items() if value is not None}
        self._write_plot("sklearn", name or kind, data, how)

    def _write_plot(self, folder: str, name: str, data: Any, how: plots.Configuration) -> None:
        place = "/".join(["plots", folder, *parts_of(name.removesuffix(".json"))]) + ".json"
        path = os.path.join(self._dir, place)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        replace(path, json.dumps(data, indent=4) + "\n")
        self._plots[place] = {key: value for key, value in how.items() if value is not None}

    def log_artifact(
        self,
        path: Path,
        type: str | None = None,
        name: str | None = None,
        desc: str | None = None,
        labels: list[str] | None = None,
        meta: Mapping[str, Any] | None = None,
        copy: bool = False,
        cache: Literal[True] = True,
    ) -> None:
        """Puts a file or directory under care, so that it is in the version; with `copy`, a copy in
        DIR/artifacts. What is said of it goes to dvc.yaml, under `name`.

        Raises UsageError where it is outside the workspace and no copy is asked for.
        """
        _refuse(not cache, "cache=False", "a line in .mvcignore keeps a file out of versions")
        place = os.path.abspath(path)
        if not os.path.lexists(place):
            raise errors.UsageError(f"there is no {os.fspath(path)}")
        if copy:
            place = self._copy(place)
        root = workspace_of(self._dir)
        if root is not None and not is_below(os.path.realpath(place), root):
            raise errors.UsageError(
                f"{os.fspath(path)} is outside the workspace {root}", help="copy=True"
            )
        self._kept.append(place)
        said = {"type": type, "desc": desc, "labels": labels, "meta": plain(meta) if meta else None}
        said = {key: value for key, value in said.items() if value is not None}
        if said or name is not None:
            name = name or os.path.splitext(os.path.basename(place))[0]
            self._artifacts[name] = {"path": os.path.relpath(place, self._dir), **said}

    def _copy(self, place: str) -> str:
        os.makedirs(self.artifacts_dir, exist_ok=True)
        copied = os.path.join(os.path.abspath(self.artifacts_dir), os.path.basename(place))
        if copied == place:
            return place
        remove(copied)
        if os.path.isdir(place):
            shutil.copytree(place, copied, symlinks=True)
        else:
            shutil.copy2(place, copied)
        return copied

    # ---------------------------------------------------------------- what is written at each step

    def make_summary(self) -> None:
        """Writes `summary`, the last value of each metric, to metrics.json."""
        if self._step is not None:
            self.summary["step"] = self.step
        replace(self.metrics_file, json.dumps(plain(self.summary), indent=4) + "\n")

    def make_dvcyaml(self) -> None:
        """Writes dvc.yaml, in the directory of the run: for DVC's own tools, mvc needs none."""
        drawn: list[Any] = [{place: how} if how else place for place, how in self._plots.items()]
        if os.path.isdir(os.path.join(self.plots_dir, "metrics")):
            drawn = [{"plots/metrics": {"x": "step"}}, *drawn]
        if os.path.isdir(os.path.join(self.plots_dir, "images")):
            drawn.append("plots/images")
        said = {
            "params": ["params.yaml"] if os.path.exists(self.params_file) else [],
            "metrics": ["metrics.json"] if os.path.exists(self.metrics_file) else [],
            "plots": drawn,
            "artifacts": self._artifacts,
        }
        replace(self.dvc_file, yaml_text({key: value for key, value in said.items() if value}))

    def sync(self) -> None:
        """Writes metrics.json, and dvc.yaml if it is wanted."""
        self.make_summary()
        if self._describes:
            self.make_dvcyaml()

    # ---------------------------------------------------------------- the beginning and the end

    def _resume(self) -> None:
        if os.path.exists(self.params_file):
            self._params = read_yaml(self.params_file)
        self.summary = self.read_latest()
        if self.summary:
            self._step = self.read_step() + 1

    def _begin_anew(self) -> None:
        old = [os.path.join(self._dir, name) for name in _OURS]
        old = [path for path in old if os.path.lexists(path)]
        if old and self._saves and workspace_of(self._dir) is not None:
            self._save(f"Results that were in {self._dir} before a new run", lambda: None)
        for path in old:
            remove(path)

    def end(self) -> None:
        """Writes what is left, and makes the version. Inside a `with` the end of the block does it."""
        if self._inside:
            return
        if "step" in self.summary:  # next_step may have come after the last metric
            self._step = max(self.summary["step"], self._logged)
        if self._saves and workspace_of(self._dir) is not None:
            self.version = self._save(self._message or f"Run in {self._dir}", self.sync)
        else:
            self.sync()

    def _save(self, message: str, write: Callable[[], None]) -> str | None:
        """Writes in the block: else a daemon might have saved it all before there is a message."""
        with checkpoint(self._dir, message=message, wait=True, save_here=True) as saving:
            write()
            try:
                keep(self._dir, *self._kept)
            except errors.MvcError as problem:
                not_saved(str(problem))
        return saving.version

    def __enter__(self) -> Self:
        self._inside = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._inside = False
        if kind is not None:
            what = self._message or f"Run in {self._dir}"
            self._message = f"{what}, ended by {kind.__name__}"
        self.end()


def _refuse(asked: bool, option: str, instead: str) -> None:
    if asked:
        raise errors.UsageError(f"mvc.live has no {option}", kind="not-in-mvc", help=instead)

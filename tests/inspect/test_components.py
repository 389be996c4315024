"""Which component a path belongs to, as a table of examples."""

from __future__ import annotations

import pytest

from mvcd.inspect.components import ComponentRules
from mvcd.objects.version import Component

EXAMPLES = {
    "architecture": """
        train.py src/model.py model.ipynb run.sh kernels/attention.cu config.json models/bert/config.json
        metrics.py params.py data/prepare.py data/loaders/text.py logs/plot.py
        requirements.txt requirements-dev.txt environment.yml pyproject.toml uv.lock Dockerfile setup.cfg
        tokenizer.json tokenizer_config.json special_tokens_map.json adapter_config.json
        scheduler/scheduler_config.json gptq/quantize_config.json image/processor_config.json
        yolov3.cfg net.prototxt setup.py zero_to_fp32.py""",
    "weights": """
        model.safetensors model.pt model.pth model.bin model.ckpt model.h5 model.keras model.onnx
        model.gguf model.pkl model.joblib MODEL.PT params.pkl
        model-00001-of-00002.safetensors model.safetensors.index.json
        checkpoints/epoch=3.ckpt lightning_logs/version_0/checkpoints/epoch=3-step=40.ckpt
        runs/train/exp/weights/best.pt outputs/pytorch_model.bin checkpoint-500/optimizer.pt
        tf/ckpt-1.index tf/ckpt-1.data-00000-of-00001 tf/checkpoint saved/saved_model.pb
        dcp/__0_0.distcp dcp/.metadata weights/shards.txt
        checkpoint.pth.tar model_best.PTH.TAR runs/m.pt.tar last.pt.bak model.safetensors.gz model.ckpt-100.meta
        model.onnx_data model.onnx.data model.onnx_data_1 unet/diffusion_pytorch_model.safetensors.index.json
        model.fp16.safetensors.index.json adapter_model.safetensors.index.json tf_model.h5.index.json
        flax_model.msgpack.index.json model.safetensors.index.fp16.json
        run/1/default/d/0123abcd run/1/default/manifest.ocdbt run/1/default/_METADATA
        run/1/_CHECKPOINT_METADATA run/1/commit_success.txt latest_checkpointed_iteration.txt
        mlruns/0/abc/artifacts/model/data/model.pth model.mlpackage/Data/com.apple.CoreML/weights/weight.bin
        model.pt2 yolov8n.torchscript model.pdparams model.pdopt xgboost_model.json lightgbm_model.txt
        model-best/tok2vec/model net.caffemodel model.nemo ckpt.eqx net.pte llm.engine""",
    "hyperparameters": """
        params.yaml hparams.yaml hparams_big.json hparams.toml config/train.yaml config/model/a.json
        conf/db.ini configs/x.txt config.yaml config.yml train_config.json training_args.json
        exp1/params.yaml lightning_logs/version_0/hparams.yaml generation_config.json sweep.yaml
        checkpoint-500/training_args.bin
        .hydra/config.yaml optimizer.yaml data/params.yaml experiment.toml
        conf/data/mnist.yaml src/config/train.json models/configs/a.yaml
        args.json out/train_args.json opts.json run_config.json train.ini out/checkpoint-4/training_args.bin
        mlruns/0/0123456789abcdef0123456789abcdef/params/lr outputs/2024-01-01/12-00-00/.hydra/overrides.yaml
        wandb/run-20240101_120000-abc/files/config.yaml""",
    "data": """
        data/train.csv data/x.bin data/features.pkl data/raw/a.png data/notes.md data/readings.yaml
        iris.csv table.parquet corpus.txt img/cat.jpg img/dog.png train.jsonl annotations.json archive.tar.gz
        datasets/mnist/train-images.gz data/train.h5 unknown noext/file
        src/data/iris.csv data/checkpoints/encoder.pt images.tar data/x.pth.tar
        weird.xyz Data/TRAIN.CSV data/survey_results.csv data/log.csv datasets/args.json
        README.md docs/guide.md LICENSE src/NOTES.txt CHANGELOG.rst configs/README.md checkpoints/README.md
        mvc.toml .mvcignore .gitignore .gitattributes .dockerignore""",
    "results": """
        metrics.json metrics.csv metrics_final.yaml data/metrics.json eval_results.json trainer_state.json
        logs/run.txt run.log events.out.tfevents.1700000000.host.1.0 tb/events.out.tfevents.1.host
        plots/loss.png plots/deep/er/x.svg confusion_matrix.png loss_curve.png report.html
        lightning_logs/version_0/metrics.csv results/predictions.csv results/data/x.csv dvclive/metrics.json
        results/README.md dvclive/plots/metrics/loss.tsv figures/a.pdf slurm-1.out
        wandb/run/files/output.txt
        test_metrics.json val_metrics.csv lm_eval_results.json training_log.csv log.csv progress.csv
        benchmark.json output/eval/scores_test.json checkpoints/val_metrics.json evals_result.json log.txt
        mlruns/0/0123456789abcdef0123456789abcdef/metrics/loss out/all_results.json""",
}
TABLE = [(path, component) for component, paths in EXAMPLES.items() for path in paths.split()]


@pytest.mark.parametrize(("path", "component"), TABLE, ids=[path for path, _ in TABLE])
def test_examples(path: str, component: str) -> None:
    assert ComponentRules.default().component_of(path) is Component(component)


def test_every_component_is_exemplified() -> None:
    assert EXAMPLES.keys() == set(Component)


def test_overrides_go_first_and_in_their_order() -> None:
    rules = ComponentRules.default().with_overrides(
        {
            "data": ["keep/*.bin", "*.ckpt.bak"],
            "weights": ["keep/**", "blobs", "/top.dat", "shots/"],
            "results": ["keep/x.bin"],
        }
    )
    expected = {
        "keep/x.bin": Component.DATA,
        "keep/x.txt": Component.WEIGHTS,
        "keep/deep/x.bin": Component.WEIGHTS,
        "a/b/c.ckpt.bak": Component.DATA,
        "a/blobs/x/y.py": Component.WEIGHTS,
        "top.dat": Component.WEIGHTS,
        "sub/top.dat": Component.DATA,
        "shots": Component.DATA,
        "sub/shots/1.png": Component.WEIGHTS,
        "train.py": Component.ARCHITECTURE,
    }
    assert {path: rules.component_of(path) for path in expected} == expected


@pytest.mark.parametrize(
    "table",
    [
        {"modles": ["*.pt"]},
        {"weights": "*.pt"},
        {"weights": [1]},
        {"weights": {"a": 1}},
        {"weights": [""]},
        {"weights": ["/"]},
        {"weights": ["!a"]},
        {"weights": ["[z-a]"]},
    ],
    ids=str,
)
def test_wrong_tables_are_refused(table: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"weights|modles|glob"):
        ComponentRules.default().with_overrides(table)


def test_digest_tells_rules_apart() -> None:
    default = ComponentRules.default()
    tables: list[dict[str, object]] = [
        {"weights": ["a"]},
        {"data": ["a"]},
        {"weights": ["a"], "data": ["b"]},
        {"data": ["b"], "weights": ["a"]},
    ]
    digests = {default.with_overrides(table).digest for table in tables}
    assert len(digests | {default.digest}) == 5
    assert default.with_overrides(tables[0]).digest in digests
    assert default.with_overrides({}).digest == default.digest == ComponentRules.default().digest

"""Training state told apart by names: files that trainers write, and tensors within checkpoints."""

from __future__ import annotations

import pytest

from mvcd.inspect.trainingstate import all_state, is_state_file, is_state_tensor, state_names

STATE = """
    c-500/optimizer.pt c-500/scheduler.pt c-500/rng_state.pth rng.pt c-500/scaler.pt
    c-500/rng_state_0.pth c-500/trainer_state.json optimizer.bin optimizer_1.bin scheduler.bin
    random_states_0.pkl sampler.bin sampler_1.bin dl_state_dict.bin custom_checkpoint_0.pkl scaler.pt
    gs10/zero_pp_rank_0_mp_rank_00_optim_states.pt gs10/bf16_zero_pp_rank_3_mp_rank_00_optim_states.pt
    iter_100/mp_rank_00/distrib_optim.pt optimizer_0/__0_0.distcp model.pdopt lr_scheduler.pt my_optimizer.pth
    optimizer.safetensors training_state.pt opt_state.msgpack step_5/opt_state.0.mu.Dense_0.kernel/.zarray
    opt.pt
"""

MODEL = """
    model.safetensors c-500/pytorch_model.bin gs10/mp_rank_00_model_states.pt scaler.pkl
    scaler.joblib scheduler_config.json latest checkpoint .metadata pytorch_model_fsdp_0/__0_0.distcp
    optical_flow.pt optimus.pt randomforest.pkl model_optimized.onnx sampler.onnx
    tokenizer.json adamantium.safetensors
"""


@pytest.mark.parametrize("path", STATE.split())
def test_files_of_training_state(path: str) -> None:
    assert is_state_file(path)


@pytest.mark.parametrize("path", MODEL.split())
def test_files_of_models(path: str) -> None:
    assert not is_state_file(path)


CHECKPOINTS = {
    "lightning": (
        "state_dict.l.weight state_dict.l.bias",
        """callbacks.ModelCheckpoint{'monitor':'loss'}.best_model_score optimizer_states.0.state.0.exp_avg
           loops.fit_loop.state lr_schedulers.0.last hyper_parameters.class_weights""",
    ),
    "by hand": (
        "model.fc1.weight model.fc1.bias",
        "optimizer.state.0.exp_avg opt.state.0.step scheduler.x scaler.scale rng.cpu epoch.0",
    ),
    "any name": ("net.fc.weight", "whatever.state.0.exp_avg whatever.state.0.step"),
    "module called scaler": ("scaler.mean scaler.scale fc.weight callbacks.weight", ""),
    "flax": (
        "params/Dense_0/kernel params/Dense_0/bias",
        "opt_state/0/mu/Dense_0/kernel opt_state/0/count",
    ),
    "tensorflow 1": (
        "dense/kernel dense/bias",
        "dense/kernel/Adam dense/kernel/Adam_1 beta1_power beta2_power global_step",
    ),
    "tensorflow 2": (
        "model/layer/kernel/.ATTRIBUTES/VARIABLE_VALUE",
        """optimizer/_variables/1/.ATTRIBUTES/VARIABLE_VALUE save_counter/.ATTRIBUTES/VARIABLE_VALUE
           model/layer/kernel/.OPTIMIZER_SLOT/optimizer/m/.ATTRIBUTES/VARIABLE_VALUE""",
    ),
    "fsdp": (
        "model.layer.weight",
        "optimizer.state.layer.weight.exp_avg optim.state.layer.bias.step",
    ),
    "keras": ("layers/dense/vars/0 layers/dense/vars/1", "optimizer/vars/0 optimizer/vars/1"),
}


@pytest.mark.parametrize("writer", CHECKPOINTS)
def test_tensors_within_a_checkpoint(writer: str) -> None:
    model, state = (names.split() for names in CHECKPOINTS[writer])
    assert state_names([*model, *state]) == set(state)


def test_a_file_that_holds_nothing_else() -> None:
    assert all_state(["state.0.step", "state.0.exp_avg", "state.0.exp_avg_sq"])
    assert not all_state(["state.0.exp_avg", "fc.weight"])
    assert not all_state([])
    assert not is_state_tensor("module.state_embedding.weight")

"""Which test is about a module that has no test of its own name: by the module's package, then by the test.

A test of its own name lies where the module lies: `mvcd/repo/share/follow.py` is tested by
`tests/repo/share/test_follow.py`. The tables below name the others, each with the test that fails when the
module is wrong; tests/test_modules.py sees to it that no module is in neither, and none in both.
"""

from __future__ import annotations

from collections.abc import Mapping

Table = Mapping[str, Mapping[str, str]]

_ENGINE: Table = {
    "mvcd": {
        "client/test_cli_errors": "errors",
        "wire/test_ids": "ids",
        "client/test_waiting": "waiting",
        "client/test_cli_face": "monitor",
        "daemon/test_deploy": "process",
        "client/test_cli_text": "amounts",
        "daemon/serve/test_hubserver": "extras",
        "test_heap": "_heap",
    },
    "mvcd.disk": {
        "store/test_repair": "aside",
        "repo/test_durable": "directories",
        "repo/release/test_export": "exchange wholes",
        "store/test_processes": "group",
        "disk/test_io": "_io",
        "disk/test_sync": "renames",
        "repo/test_lying_sizes": "room",
        "store/test_session": "writeback",
    },
    "mvcd.chunking": {"chunking/test_cut": "_cut"},
    "mvcd.codec": {
        "codec/test_decode": "encoded",
        "codec/test_encode": "alone",
        "codec/test_planes": "_planes",
        "codec/test_rans": "_rans",
    },
    "mvcd.objects": {
        "objects/test_entry": "reserved",
        "objects/test_small": "_small",
        "objects/test_versionrecord": "_version messages",
    },
    "mvcd.inspect": {
        "inspect/test_tables": "arrow columns samples table",
        "inspect/test_lastrows": "axes delimited",
        "inspect/test_values": "flatten",
        "inspect/test_recorded": "inifile",
        "inspect/test_dcp": "dcpshard slices",
        "inspect/test_hdf5": "hdf5chunks",
        "inspect/test_orbax": "zarr",
        "inspect/test_picklefile": "packedpickle",
        "inspect/test_tflite": "flatbuffer",
        "inspect/test_trees": "jsonwalk lightgbm xgboost",
        "inspect/test_tensorfiles": (
            "beginnings cursor gguf npz onnx onnxtensor protowire tensorfile tensorreaders tfcheckpoint"
        ),
        "inspect/test_parquetfooter": "thriftwire",
        "inspect/test_torchzip": "zipmembers",
        "inspect/test_safetensors": "spans",
        "inspect/test_compare": "_compare",
        "repo/compare/test_architecture_diff": "notebook",
        "repo/compare/test_tensor_changes": "tensors",
    },
    "mvcd.store.bucket": {
        "store/bucket/test_directory": "chain",
        "store/bucket/test_simulated": "blobs",
        "store/bucket/test_addresses": "options",
        "store/bucket/test_bucket_clients": "bucketparts bucketstate swapping bucket_session"
        " merging runindex logsegments bucket_check",
        "client/test_bucket_remote": "bucketopening",
        "store/bucket/test_bucket_store": "bucket_takenover",
        "store/bucket/test_bucket_collect": "moving",
        "store/bucket/test_linkedblobs": "httpget",
        "store/bucket/test_sealed": "agekey bucketseal",
        "team/test_bucketroot": "served",
    },
    "mvcd.store": {
        "client/test_completing": "refnames",
        "store/test_lmdb_store": "api cacherows meta parts reports takenover writers",
        "store/test_session": "refs reliance",
        "store/test_memory_store": "reader",
        "store/test_repair": "check harvest",
        "store/test_damage": "_faults",
        "store/test_frames": "_records",
        "store/test_journal": "journal_check",
        "store/test_collect": "marking placed repack",
        "store/test_audit": "rows",
        "store/test_crash": "steps",
        "store/test_faults": "trouble",
        "store/test_index": "opening",
        "team/test_many": "opened",
        "wire/test_contract": "peer",
        "wire/test_older": "older",
        "store/test_reuse": "stamp stretches",
        "store/test_optimizer": "lookedinto",
    },
}

_REPO: Table = {
    "mvcd.repo": {"repo/change/test_moves": "undo"},
    "mvcd.repo.care": {
        "client/test_repair": "doctor repair",
        "repo/care/test_diskuse": "disk growth keepers owners",
        "daemon/test_tending": "due",
    },
    "mvcd.repo.bases": {"repo/bases/test_finding": "others"},
    "mvcd.repo.share": {
        "client/test_import_git": "bringing",
        "sync/test_verbs": "addresses fetching pushing",
        "repo/care/test_healing": "remote_damage",
        "sync/test_remote_state": "verify_remote",
        "client/test_bucket_s3": "presigning",
    },
    "mvcd.repo.release": {
        "repo/release/test_export": "export_manifest verify_deploy",
        "repo/release/test_stages": "gate holders promotion",
        "web/test_catalogue": "cardnotes",
        "client/test_cards": "card",
    },
    "mvcd.repo.history": {
        "repo/history/test_search": "blame comparison series subject walk",
        "client/test_lineage": "lineage",
        "client/test_runs": "runs",
        "sync/test_pruned": "whereabouts",
    },
    "mvcd.repo.history.query": {"repo/history/query/test_query": "evaluate parse tree"},
    "mvcd.repo.joining": {"repo/joining/test_picking": "takeover threeway"},
    "mvcd.repo.change": {
        "repo/care/test_healing": "anew",
        "repo/change/test_captured": "captures",
        "client/test_habits": "placebefore",
        "repo/change/test_moves": "choosing rewriting",
        "repo/change/test_outside": "edits",
        "repo/trust/test_signatures": "signing",
    },
    "mvcd.repo.compare": {
        "repo/compare/test_architecture_diff": "architecture modelfiles",
        "repo/compare/test_data_diff": "data",
        "repo/compare/test_diff": "sides",
        "repo/compare/test_tensor_changes": "tensorchanges",
    },
    "mvcd.repo.tensors": {
        "repo/compare/test_tensor_changes": "tensortable",
        "repo/compare/test_weights": "labelled sameness tensordiff tensormatch tensorrows",
    },
    "mvcd.repo.restore": {
        "repo/restore/test_early": "early_home",
        "repo/change/test_moves": "planning",
        "repo/restore/test_checkout": "staging",
    },
    "mvcd.repo.workspace": {
        "repo/workspace/test_scan": "candidates",
        "repo/change/test_commit": "snapshot status workspace",
    },
    "mvcd.repo.intake": {"repo/intake/test_ingest": "loading"},
    "mvcd.repo.versions": {"client/test_habits": "lastwith"},
    "mvcd.repo.core": {
        "repo/core/test_creation": "core location",
        "repo/share/test_workspaces": "otherworkspaces",
        "sync/test_pruned": "kept_here",
        "sync/test_verbs": "connecting promised remotes wanted",
    },
    "mvcd.repo.trust": {
        "repo/trust/test_signatures": "judging keygen",
        "sync/test_verbs": "receiving",
        "repo/care/test_verify": "harms",
    },
    "mvcd.repo.contents": {
        "repo/change/test_commit": "files flatvalues",
        "repo/workspace/test_recording": "problems",
        "repo/intake/test_ingest": "drafts pipeline",
        "repo/restore/test_checkout": "wholefiles",
    },
    "mvcd.repo.records": {
        "repo/records/test_revisions": "refs",
        "repo/compare/test_diff": "differences results",
        "repo/change/test_commit": "committed",
        "repo/history/test_history": "standing versionentry",
        "repo/release/test_stages": "stages",
    },
    "mvcd.repo.ondisk": {
        "repo/ondisk/test_folding": "paths",
        "repo/ondisk/test_statcache": "_scan",
        "repo/ondisk/test_writing": "_write",
        "repo/release/test_export": "below",
        "repo/restore/test_checkout": "ground",
        "repo/change/test_captured": "keeping",
        "repo/test_unreadable": "_read reading unreadable",
    },
}

_NETWORK: Table = {
    "mvcd.sync": {
        "daemon/serve/test_copyroot": "copying",
        "sync/test_sending": "push",
        "sync/test_interrupted": "local pull",
    },
    "mvcd.wire": {
        "client/test_first_day": "address diagnosis dial patience",
        "daemon/serve/test_pressure": "admission",
        "wire/test_calls": "client handlers host server",
        "daemon/serve/test_ssh": "ssh",
        "wire/test_hostile_server": "pages stall",
        "wire/test_uploads": "tidying",
    },
    "mvcd.team": {
        "hub/test_commits": "teamcore",
        "web/test_team": "sessions",
        "web/test_team_roles": "visible",
        "team/test_bucketroot": "buckethost doneupdates",
        "team/test_accounts": "auditlog records",
        "team/test_host": "root",
        "team/test_quota": "usage",
        "daemon/serve/test_copyroot": "draftroot unfinished",
    },
    "mvcd.hub": {
        "hub/test_commits": "commitroutes digested lookups making payload pullroutes refroutes",
        "hub/test_files": "filestream repoids resolveroutes told treeroutes",
        "hub/test_repositories": "answers app bodies callers groups reporoutes site whoroutes",
        "hub/test_xetroutes": "xetcontents",
        "hub/test_xetuploads": "xetbuild xetnotes xetshelf",
    },
    "mvcd.daemon": {
        "daemon/test_message": "cells headline measures phrases",
        "daemon/test_rules": "folder marks shards tensorflow verdict",
        "daemon/test_taking": "ledger sets",
        "daemon/test_keeper": "hearing hooks accidents state surroundings vigil",
        "daemon/test_service": "config registry",
        "daemon/test_deploy": "main reader",
        "daemon/serve/test_run": "notify",
        "daemon/test_reading": "priority",
        "daemon/test_origins": "processes",
        "daemon/test_lengths": "walks",
    },
    "mvcd.daemon.serve": {
        "daemon/serve/test_run": "calls frame probe web",
        "daemon/serve/test_hubserver": "asgiserver httpcalls",
        "web/test_team": "pageserver",
        "daemon/serve/test_pressure": "connections health",
        "daemon/test_deploy": "command",
        "daemon/serve/test_team_server": "remote",
        "daemon/serve/test_ssh": "stdio",
        "daemon/serve/test_stateless": "inbucket",
        "team/test_seals": "sealing",
    },
}

_CLIENT: Table = {
    "mvc": {"daemon/test_service": "daemon_client"},
    "mvc.api": {
        "client/test_cli_text": "amounts cells",
        "client/test_ui": "extras",
        "client/test_footing": "checkpoints",
        "client/test_completing": "glimpse",
        "client/test_api_context": "context settings",
        "client/test_api_repo": (
            "components diff file_verbs move_verbs name_verbs opened remote_verbs repo results"
        ),
        "client/test_bare": "audit audit_verbs",
        "web/test_team": "hosting",
        "web/test_team_roles": "hosted",
        "client/test_habits": "pick_verbs",
        "client/test_public": "commits imported picks standing versions workspaces",
        "client/test_shown": "log",
        "client/test_notes": "note_verbs",
        "client/test_metric_screens": "metric_names",
        "client/test_cards": "card page",
        "client/test_cli_admin": "backup team",
        "client/test_demo_bucket": "buckets",
        "client/test_cli_errors": "errors faults",
        "integrations/test_fsspec": "places",
        "client/test_cli_login": "credentials",
        "client/test_cli_start": "heap process",
        "client/test_import_git": "import_verbs",
        "client/test_repair": "care durable",
        "client/test_runs": "run_verbs",
        "client/test_search": "search_verbs",
        "client/test_signing": "signatures",
        "client/test_stages": "release_verbs",
        "client/test_tensors": "weights",
        "client/test_cli_verbs": "diskuse pruning workspace_verbs",
    },
    "mvc.cli": {
        "client/test_completing": "shells",
        "client/test_cli_errors": "errors main signals",
        "client/test_habits": "aliases examples picked words",
        "client/test_cli_face": "face progress",
        "client/test_cli_help": "options verbs",
        "client/test_cli_json": "documents",
        "client/test_cli_start": "start",
        "client/test_cli_text": "text",
        "client/test_demo_survives": (
            "demo_saves demo_shares own_daemon own_follower own_process own_server tethered"
        ),
        "client/test_diff_screens": "diff_document",
        "client/test_ui": "page_shapes",
        "web/test_team": "team_page",
    },
    "mvc.web": {
        "client/test_ui": "server",
        "web/test_app": "door dressing failures site",
        "web/test_actions": "actions",
        "web/test_assets": "assets",
        "web/test_contents": "contents differences releases",
        "web/test_daemonroutes": "daemonroutes",
        "web/test_events": "events",
        "web/test_bundle": "bundle",
        "web/test_care": "care",
        "web/test_finding": "finding",
        "web/test_teamfinding": "teamfinding",
        "web/test_values": "remembered values",
        "web/test_report": "answers lines report",
        "web/test_versions": "versions",
        "web/test_team": "adminroutes app teamapp teamroutes visitors walks",
    },
    "mvc.cli.manual": {"client/test_manual": "markdown page pages roff screen"},
    "mvc.cli.screens": {
        "client/test_cli_admin": "admin",
        "client/test_cli_login": "login",
        "client/test_cli_verbs": "commit diskuse moved pruning show status",
        "client/test_demo_survives": "demo",
        "client/test_import_git": "imports",
        "client/test_oci": "artifacts",
        "client/test_diff_screens": "patch",
        "client/test_habits": "graph stash",
        "client/test_log_folding": "log",
        "client/test_remotes": "transfer verified",
        "client/test_runs": "reproduce",
        "client/test_search": "bisect blame compare plot",
        "client/test_signing": "signature",
    },
    "mvc.cli.screens.diff": {
        "client/test_diff_amounts": "amounts",
        "client/test_diff_checkpoints": "checkpoints",
        "client/test_diff_screens": (
            "absent architecture data folding markdown marks stat values weights whole"
        ),
    },
    "mvc.importers": {
        "client/test_import_git": "commits fetched gitrecords gitsource history lines results target",
        "client/test_import_dvc": "dvcconfig dvcfiles pointers",
        "client/test_import_folders": "folders",
        "client/test_import_hf": "hfcache hfsnapshots",
        "client/test_import_lfs": "lfsfiles",
        "client/test_import_mlflow": "mlflowruns mlflowstore",
        "client/test_import_tf": "tfcheckpoints tfsteps",
    },
    "mvc.demo": {"client/test_demo_training": "architecture dataset network tensorfile training"},
    "mvc.pictures": {
        "client/test_chart": "axis",
        "client/test_figures": "figure ink letters",
        "client/test_lineage": "family",
        "client/test_pictures": "drawing files font page raster scale strip",
    },
    "mvc.integrations": {
        "integrations/test_fsspec": "addresses fsspec_files upath",
        "integrations/test_fsspec_contract": "fsspec_fs",
        "integrations/test_mlflow": "mlflow",
        "integrations/test_mlflow_aliases": "mlflowaliases",
        "integrations/test_jupyter": "jupyter",
        "client/test_attestations": "bundles statements",
        "client/test_oci": "ociartifact ociregistry",
        "client/test_oci_hosts": "ociconnection",
        "client/test_oci_logins": "ocilogins ocitokens",
        "training/test_integrations": (
            "accelerate autolog keras lightgbm lightning needed sklearn trainees transformers xgboost"
        ),
    },
    "mvc.live": {"client/test_live": "forms images plots run"},
    "mvc.training": {
        "training/test_block": "outcome unsaved values",
        "client/test_live": "tracking",
    },
}

TABLE: Table = {**_ENGINE, **_REPO, **_NETWORK, **_CLIENT}

BY_VERB = "mvc.cli.commands"
"""One module a verb: each is called by its name in some test of tests/client."""
